// The graph's box: zoom, dragging, and search. Without it the drawing scrolls in its box, and the table below says the same.
(() => {
  "use strict";
  const STEP = 1.25, LEAST = 0.15, MOST = 3;
  let scale = 0; // 0: not zoomed yet, so that the drawing is fitted once it is there.
  let hits = [], hit = -1;

  const box = () => document.querySelector("[data-graph-box]");
  const drawing = () => document.querySelector("[data-graph-box] svg.graph");
  const size = (svg) => svg.viewBox.baseVal;

  // Zooms, and keeps the point that is at (x, y) of the box where it is.
  const zoom = (to, x, y) => {
    const b = box(), svg = drawing();
    if (!b || !svg) return;
    const before = svg.getBoundingClientRect(), frame = b.getBoundingClientRect();
    x ??= b.clientWidth / 2;
    y ??= b.clientHeight / 2;
    const part = [(frame.left + x - before.left) / before.width, (frame.top + y - before.top) / before.height];
    scale = Math.min(MOST, Math.max(LEAST, to));
    svg.setAttribute("width", Math.round(size(svg).width * scale));
    svg.setAttribute("height", Math.round(size(svg).height * scale));
    const after = svg.getBoundingClientRect();
    b.scrollLeft += after.left + part[0] * after.width - frame.left - x;
    b.scrollTop += after.top + part[1] * after.height - frame.top - y;
    const says = document.querySelector("[data-graph-scale]");
    if (says) says.textContent = `${Math.round(scale * 100)} %`;
  };
  const fit = () => {
    const b = box(), svg = drawing();
    if (!b || !svg) return;
    const all = Math.min(b.clientWidth / size(svg).width, b.clientHeight / size(svg).height);
    zoom(Math.min(1, all), 0, 0);
  };

  const show = (node) => {
    const b = box(), frame = b.getBoundingClientRect(), at = node.getBoundingClientRect();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    b.scrollBy({
      left: at.left + at.width / 2 - frame.left - frame.width / 2,
      top: at.top + at.height / 2 - frame.top - frame.height / 2,
      behavior: still ? "auto" : "smooth",
    });
  };
  const search = (field) => {
    const svg = drawing(), wanted = field.value.trim().toLowerCase();
    if (!svg) return;
    hits = [];
    hit = -1;
    for (const node of svg.querySelectorAll("a.g-node")) {
      const found = wanted !== "" && node.querySelector("title").textContent.toLowerCase().includes(wanted);
      node.classList.toggle("g-hit", found);
      if (found) hits.push(node);
    }
    svg.classList.toggle("g-searched", hits.length > 0);
    say(field, wanted);
    if (hits.length > 0) next(1, field);
  };
  const say = (field, wanted) => {
    const says = document.querySelector("[data-graph-found]");
    if (!says) return;
    if (wanted === "") says.textContent = "";
    else if (hits.length === 0) says.textContent = "Nothing is called so";
    else says.textContent = hit < 0 ? `${hits.length} found` : `${hit + 1} of ${hits.length}`;
  };
  const next = (by, field) => {
    if (hits.length === 0) return;
    hit = (hit + by + hits.length) % hits.length;
    if (scale < 0.7) zoom(0.9);
    show(hits[hit]);
    for (const node of hits) node.classList.toggle("g-hit-now", node === hits[hit]);
    say(field, field.value.trim());
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-graph-zoom]");
    if (!button) return;
    const how = button.dataset.graphZoom;
    if (how === "fit") fit();
    else zoom(how === "in" ? scale * STEP : scale / STEP);
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("[data-graph-search]")) search(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches?.("[data-graph-search]")) {
      if (event.key === "Enter") {
        event.preventDefault();
        next(event.shiftKey ? -1 : 1, event.target);
      }
      return;
    }
    if (!event.target.closest?.("[data-graph-box]")) return;
    const to = { "+": scale * STEP, "=": scale * STEP, "-": scale / STEP, 0: 1 }[event.key];
    if (to) zoom(to);
    else if (event.key === "f") fit();
    else return;
    event.preventDefault();
  });

  // Pinching a trackpad arrives as a wheel with the control key.
  document.addEventListener("wheel", (event) => {
    const b = event.target.closest?.("[data-graph-box]");
    if (!b || !event.ctrlKey) return;
    event.preventDefault();
    const frame = b.getBoundingClientRect();
    zoom(scale * Math.exp(-event.deltaY / 200), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });

  // Dragging with a mouse; fingers scroll the box by themselves.
  let drag = null;
  document.addEventListener("pointerdown", (event) => {
    const b = event.target.closest?.("[data-graph-box]");
    if (!b || event.pointerType !== "mouse" || event.button !== 0) return;
    drag = { b, x: event.clientX, y: event.clientY, left: b.scrollLeft, top: b.scrollTop, moved: false };
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const by = [event.clientX - drag.x, event.clientY - drag.y];
    drag.moved ||= Math.hypot(...by) > 4;
    if (!drag.moved) return;
    drag.b.classList.add("dragging");
    drag.b.scrollLeft = drag.left - by[0];
    drag.b.scrollTop = drag.top - by[1];
  });
  document.addEventListener("pointerup", () => {
    if (!drag) return;
    drag.b.classList.remove("dragging");
    const { moved } = drag;
    drag = null;
    if (!moved) return;
    // A drag that ends on a node is no click.
    const swallow = (event) => event.preventDefault();
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 0);
  });
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest?.("[data-graph-box]")) event.preventDefault();
  });

  const begin = () => {
    for (const tools of document.querySelectorAll("[data-graph-tools]")) tools.hidden = false;
    if (!drawing()) return;
    if (scale === 0) {
      scale = 1;
      const on = drawing().querySelector("a.g-reached:last-of-type, a.g-on");
      if (size(drawing()).width <= box().clientWidth * 2) fit();
      else zoom(1);
      if (on) show(on);
    } else zoom(scale, 0, 0);
    const field = document.querySelector("[data-graph-search]");
    if (field?.value) search(field);
  };
  // A live page swaps the drawing for a newer one: it keeps its zoom, its place and what was searched.
  document.addEventListener("towpath:swapped", begin);
  begin();
})();
