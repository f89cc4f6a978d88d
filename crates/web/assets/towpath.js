// What makes the pages live. Without it they are whole, and are loaded again by hand.
"use strict";
(() => {
  const parts = () => [...document.querySelectorAll("[data-live][id]")];
  const sign = document.getElementById("connection");
  const say = (state, text) => { if (sign) { sign.hidden = false; sign.dataset.state = state; sign.textContent = text; } };

  // Times, told as people tell them; the exact one stays in the title.
  const units = [["year", 31536e6], ["month", 2592e6], ["day", 864e5], ["hour", 36e5], ["minute", 6e4], ["second", 1e3]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
  const times = (root = document) => root.querySelectorAll("time[data-ago]").forEach((time) => {
    const away = Date.parse(time.dateTime) - Date.now();
    const [unit, ms] = units.find(([, ms]) => Math.abs(away) >= ms) || units[5];
    time.textContent = words.format(Math.round(away / ms), unit);
  });

  // The live parts of this page are fetched again when something happened, and swapped in without moving what people look at.
  const rows = "tr, li";
  const was = new Map(), known = new Map();
  const note = (id, part) => { was.set(id, part.innerHTML); known.set(id, new Set([...part.querySelectorAll(rows)].map((row) => row.outerHTML))); };
  parts().forEach((part) => note(part.id, part));
  let busy = false, again = false, tag = null;
  const swap = (part, next) => {
    // What somebody is filling in stays.
    if (next.innerHTML === was.get(part.id) || part.querySelector("details[open] :is(input:not([type=hidden]), button):focus")) return;
    if ([...part.querySelectorAll("input[type=text], textarea")].some((field) => field.value !== field.defaultValue)) return;
    if ([...part.querySelectorAll("details option")].some((option) => option.selected !== option.defaultSelected)) return;
    const before = known.get(part.id);
    note(part.id, next);
    const open = new Map([...part.querySelectorAll("details[id]")].map((details) => [details.id, details.open]));
    const focus = part.contains(document.activeElement) ? document.activeElement : null;
    const at = focus && (focus.id ? `#${CSS.escape(focus.id)}` : focus.getAttribute("href") ? `a[href="${CSS.escape(focus.getAttribute("href"))}"]` : "");
    const [x, y] = [part.scrollLeft, part.scrollTop];
    next.querySelectorAll(rows).forEach((row) => { if (!before.has(row.outerHTML)) row.classList.add("swapped"); });
    next.querySelectorAll("details[id]").forEach((details) => { if (open.has(details.id)) details.open = open.get(details.id); });
    part.className = next.className;
    part.replaceChildren(...next.childNodes);
    part.scrollTo(x, y);
    if (at) part.querySelector(at)?.focus({ preventScroll: true });
    times(part);
  };
  const refresh = async () => {
    if (busy) { again = true; return; }
    if (document.hidden || !parts().length) { again = document.hidden; return; }
    busy = true;
    try {
      const asked = { accept: "text/html", "x-fragment": "live", ...(tag ? { "if-none-match": tag } : {}) };
      const answer = await fetch(location.href, { headers: asked, credentials: "same-origin", cache: "no-store" });
      if (answer.status === 200) {
        tag = answer.headers.get("etag");
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts()) {
          const next = fresh.getElementById(part.id);
          if (next) swap(part, next);
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
