// Follows a run's log, and gets further parts of it as one scrolls. Without it, the log comes in pages.
"use strict";
(() => {
  const log = document.getElementById("log");
  if (!log) return;
  const [wrap, follow, more] = ["wrap", "follow", "log-more"].map((id) => document.getElementById(id));
  document.getElementById("log-switches").hidden = false;
  if (more) more.hidden = true;
  let next = Number(log.dataset.next), done = log.dataset.done === "true", busy = false;
  const search = log.dataset.search, kept = 200000;
  wrap.addEventListener("change", () => log.classList.toggle("wrapped", wrap.checked));
  follow.addEventListener("change", () => { if (follow.checked) { bottom(); get(); } });
  const bottom = () => { log.scrollTop = log.scrollHeight; };
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 600;

  // The page's own HTML of the next part: colours and escaping are the server's business.
  const get = async () => {
    if (busy || done) return;
    busy = true;
    try {
      const wait = follow.checked ? 20000 : 0;
      if (follow.checked) await fetch(`/api/v1/runs/${encodeURIComponent(log.dataset.run)}/logs?from=${next}&waitMs=${wait}`, { credentials: "same-origin" }).catch(() => {});
      const answer = await fetch(`${location.pathname}?from=${next}&search=${encodeURIComponent(search)}`, { credentials: "same-origin" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("log");
        if (fresh) {
          const lines = [...fresh.children];
          if (lines.length) document.getElementById("log-empty")?.remove();
          log.append(...lines);
          while (log.children.length > kept) log.firstElementChild.remove();
          next = Number(fresh.dataset.next); done = fresh.dataset.done === "true";
          if (follow.checked && lines.length) bottom();
        }
      }
    } catch { await new Promise((again) => setTimeout(again, 2000)); }
    busy = false;
    if (!done && (follow.checked || atEnd())) setTimeout(get, 50);
  };
  log.addEventListener("scroll", () => { if (atEnd()) get(); });
  if (location.hash.startsWith("#L")) document.querySelector(location.hash)?.scrollIntoView({ block: "center" });
  else if (follow.checked) bottom();
  if (follow.checked || atEnd()) get();
})();
