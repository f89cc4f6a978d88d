// What makes the pages live. Without it they are whole, and are loaded again by hand.
"use strict";
(() => {
  const parts = () => [...document.querySelectorAll("[data-live][id]")];
  const sign = document.getElementById("connection");
  const say = (state, text) => { if (sign) { sign.hidden = false; sign.dataset.state = state; sign.textContent = text; } };

  // Times, told as people tell them; the exact one stays in the title.
  const units = [["year", 31536e6], ["month", 2592e6], ["day", 864e5], ["hour", 36e5], ["minute", 6e4], ["second", 1e3]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const times = (root = document) => root.querySelectorAll("time[data-ago]").forEach((time) => {
    const away = Date.parse(time.dateTime) - Date.now();
    const [unit, ms] = units.find(([, ms]) => Math.abs(away) >= ms) || units[5];
    time.textContent = words.format(Math.round(away / ms), unit);
  });

  // The live parts of this page are fetched again when something happened, and swapped in without moving what people look at.
  let busy = false, again = false, tag = null;
  const refresh = async () => {
    if (busy) { again = true; return; }
    if (document.hidden || !parts().length) { again = document.hidden; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html", ...(tag ? { "if-none-match": tag } : {}) }, credentials: "same-origin" });
      if (answer.status === 200) {
        tag = answer.headers.get("etag");
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts()) {
          const next = fresh.getElementById(part.id);
          if (!next || next.innerHTML === part.dataset.was || part.querySelector("details[open] form, form:focus-within")) continue;
          if (next.innerHTML !== part.innerHTML) {
            const open = [...part.querySelectorAll("details[open][id]")].map((d) => d.id);
            const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
            const [x, y] = [part.scrollLeft, part.scrollTop];
            part.dataset.was = next.innerHTML;
            part.replaceChildren(...next.childNodes);
            open.forEach((id) => { const d = document.getElementById(id); if (d) d.open = true; });
            part.scrollTo(x, y);
            if (focus) document.getElementById(focus)?.focus();
            times(part);
            part.classList.remove("swapped"); void part.offsetWidth; part.classList.add("swapped");
          }
        }
        document.dispatchEvent(new CustomEvent("towpath:swapped"));
      } else if (answer.status === 401) { location.reload(); }
    } catch { /* the stream tells when the server is back */ }
    busy = false;
    if (again) { again = false; later(); }
  };
  let timer = 0;
  const later = () => { if (!timer) timer = setTimeout(() => { timer = 0; refresh(); }, 150 + Math.random() * 250); };

  let last = Number(document.body.dataset.event || 0), wait = 1000;
  const listen = () => {
    const stream = new EventSource(`/api/v1/events?after=${last}`);
    stream.onopen = () => { wait = 1000; say("on", "live"); };
    stream.onmessage = (event) => {
      last = Number(event.lastEventId) || last;
      document.dispatchEvent(new CustomEvent("towpath:event", { detail: event.data }));
      later();
    };
    stream.onerror = () => {
      say("lost", "not connected");
      stream.close();
      setTimeout(() => { listen(); later(); }, wait + Math.random() * 500);
      wait = Math.min(wait * 2, 30000);
    };
    addEventListener("pagehide", () => stream.close(), { once: true });
  };

  times();
  setInterval(times, 15000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) { again = false; refresh(); } });
  // Filters act at once; the button is for those without scripts.
  document.querySelectorAll("form.filters").forEach((form) => {
    form.querySelectorAll("button[data-nojs]").forEach((button) => { button.hidden = true; });
    form.addEventListener("change", () => form.requestSubmit());
  });
  // `/` goes to the search, as elsewhere.
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !/^(input|textarea|select)$/i.test(event.target.tagName)) {
      event.preventDefault(); document.getElementById("find")?.focus();
    }
  });
  if (document.body.dataset.event) listen();
})();
