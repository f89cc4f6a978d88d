// A log that is followed, loaded as one scrolls, and led into by links to its lines.
"use strict";
(() => {
  const log = document.getElementById("log");
  if (!log) return;
  const run = log.dataset.run, find = log.dataset.find;
  const lists = () => log.querySelectorAll("ol.lines");
  const edge = (which) => lists()[which < 0 ? lists().length - 1 : 0].dataset;
  const box = (id) => document.getElementById(id);
  const keep = (name, input, flip) => {
    if (!input) return;
    try { input.checked = localStorage.getItem(name) === "1"; } catch { /* not kept */ }
    const set = () => { log.classList.toggle(flip, input.checked); try { localStorage.setItem(name, input.checked ? "1" : "0"); } catch { /* not kept */ } };
    input.addEventListener("change", (event) => { event.stopPropagation(); set(); });
    set();
  };
  keep("log-wrap", box("log-wrap"), "wraps");
  keep("log-times", box("log-times"), "timed");

  const lines = async (query) => {
    const answer = await fetch(`/runs/${run}/log?${query}`, { credentials: "same-origin", headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("ol.lines");
  };
  const show = () => {
    const last = edge(-1);
    for (const [id, gone] of [["log-before", Number(edge(0).from) === 0], ["log-after", Number(last.next) >= Number(last.total)]]) {
      const more = box(id);
      if (more) more.parentElement.hidden = gone;
    }
    const count = document.querySelector("#log-title .count");
    if (count) count.textContent = `${last.total} lines`;
    const empty = box("log-empty");
    if (empty && log.querySelector("li[id]")) empty.hidden = true;
  };

  // Parts before and after, as one comes near to them.
  let busy = false;
  const before = async () => {
    const from = Number(edge(0).from);
    if (busy || find || from === 0) return;
    busy = true;
    try {
      const start = Math.max(0, from - 2000);
      const part = await lines(`from=${start}`);
      // What is there already is not shown twice.
      for (const line of part.querySelectorAll("li[id]")) if (Number(line.id.slice(1)) > from) line.remove();
      const height = log.scrollHeight;
      log.prepend(part);
      log.scrollTop += log.scrollHeight - height;
      show();
    } catch { /* the link above leads there, too */ }
    busy = false;
  };
  const after = async () => {
    const last = edge(-1);
    if (busy || find || Number(last.next) >= Number(last.total)) return false;
    busy = true;
    let grew = false;
    try {
      const part = await lines(`from=${last.next}`);
      grew = part.querySelector("li[id]") !== null;
      if (grew) log.append(part);
      show();
    } catch { /* the link below leads there, too */ }
    busy = false;
    return grew;
  };
  log.addEventListener("scroll", () => {
    if (log.scrollTop < 400) before();
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 800) after();
  }, { passive: true });
  box("log-before")?.addEventListener("click", (event) => { event.preventDefault(); before(); });
  box("log-after")?.addEventListener("click", (event) => { event.preventDefault(); after(); });

  // Following: the end stays in sight until somebody scrolls up.
  const follow = box("log-follow"), label = box("log-follow-label");
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  const toEnd = () => { log.scrollTop = log.scrollHeight; };
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const watch = async () => {
    for (let pause = 500; ;) {
      try {
        const last = edge(-1);
        if (last.done === "true") return;
        const part = await lines(`from=${last.next}&wait=true`);
        pause = 500;
        const stay = follow.checked;
        if (part.querySelector("li[id]")) { part.querySelector(".step")?.textContent === log.dataset.step && part.querySelector(".step").remove(); log.append(part); }
        else Object.assign(edge(-1), { next: part.dataset.next, total: part.dataset.total, done: part.dataset.done });
        show();
        if (stay) toEnd();
      } catch { await wait(pause); pause = Math.min(pause * 2, 20000); }
      if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    }
  };
  if (follow && log.dataset.open === "true" && !find) {
    label.hidden = false;
    follow.addEventListener("change", (event) => { event.stopPropagation(); if (follow.checked) toEnd(); });
    log.addEventListener("wheel", (event) => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });
    log.addEventListener("keydown", (event) => { if (["ArrowUp", "PageUp", "Home"].includes(event.key)) follow.checked = false; });
    log.addEventListener("scroll", () => { if (atEnd()) follow.checked = true; }, { passive: true });
    watch().then(() => { label.hidden = true; });
  }

  // A link to a line: the line is marked, and fetched when it is not there.
  const aim = async () => {
    const number = Number((location.hash.match(/^#L(\d+)$/) || [])[1]);
    if (!number) return false;
    if (!document.getElementById(`L${number}`)) {
      if (find) return false;
      const part = await lines(`from=${Math.max(0, number - 21)}`).catch(() => null);
      if (!part) return false;
      log.replaceChildren(part);
      show();
    }
    if (follow) follow.checked = false;
    document.getElementById(`L${number}`)?.scrollIntoView({ block: "center" });
    return true;
  };
  addEventListener("hashchange", aim);
  log.addEventListener("click", (event) => {
    const link = event.target.closest("a[href*='#L']");
    if (!link || find || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    location.hash = link.hash;
  });
  aim().then((aimed) => { if (!aimed && !find && !new URLSearchParams(location.search).has("at")) toEnd(); });
})();
