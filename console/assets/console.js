// What htmx does not do: listening for news, keys, and a counter of bytes. The pages work without it.
"use strict";
(() => {
  const body = document.body;
  const banner = document.getElementById("connection");

  // News: pages say where to listen; parts of them that wait for "changed" ask for themselves again.
  let waiting = null;
  const changed = () => {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = null; htmx.trigger(body, "changed"); }, 150);
  };
  if (body.dataset.live) {
    const source = new EventSource(body.dataset.live);
    source.addEventListener("changed", changed);
    source.onopen = () => { if (!banner.hidden) changed(); banner.hidden = true; body.dataset.listening = "yes"; };
    source.onerror = () => { banner.hidden = false; };
    addEventListener("pagehide", () => source.close());
  }
  // What somebody marked or typed within a live part is not taken from under their hands.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    if (part.querySelector("input:checked") || part.contains(document.activeElement) && /TEXTAREA|INPUT/.test(document.activeElement.tagName)) {
      event.detail.shouldSwap = false;
    }
  });
  // The row that the keys are on stays, though the rows are drawn anew.
  let current = null;
  document.addEventListener("htmx:afterSwap", () => { mark(current); });

  const rows = () => Array.from(document.querySelectorAll("tr[data-row]"));
  const mark = (id) => {
    current = id;
    for (const row of rows()) row.classList.toggle("current", row.dataset.row === id);
  };
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.dataset.row === current);
    const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
    mark(next.dataset.row);
    next.querySelector("a").focus();
  };
  const open = (hash) => {
    const row = rows().find((row) => row.dataset.row === current);
    if (row) location.href = row.querySelector("a").href + hash;
  };
  const focus = (id) => { const element = document.getElementById(id); if (element) { element.focus(); return true; } return false; };
  const keys = {
    j: () => step(1),
    k: () => step(-1),
    "/": () => focus("search"),
    t: () => {
      // Those that are marked; the current one if none is.
      const row = rows().find((row) => row.dataset.row === current);
      if (row && !document.querySelector("tr[data-row] input:checked")) row.querySelector("input[type=checkbox]").checked = true;
      focus("label");
    },
    x: () => {
      const row = rows().find((row) => row.dataset.row === current);
      const box = row && row.querySelector("input[type=checkbox]");
      if (box) box.checked = !box.checked;
    },
    r: () => focus("text") || open("#text"),
    h: () => { const button = document.getElementById("take-over"); if (button) button.click(); else open("#take-over"); },
    e: () => { if (!focus("explained")) open("#explained"); },
  };
  document.addEventListener("keydown", (event) => {
    const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // Meta counts bytes, not letters.
  const count = (area) => {
    const shown = document.getElementById(area.dataset.count);
    if (shown) shown.textContent = `${new TextEncoder().encode(area.value).length} of 1000 bytes`;
  };
  document.addEventListener("input", (event) => { if (event.target.dataset.count) count(event.target); });
  document.querySelectorAll("[data-count]").forEach(count);
  document.addEventListener("change", (event) => {
    const area = event.target.dataset.into && document.getElementById(event.target.dataset.into);
    const preview = document.getElementById(event.target.dataset.preview);
    if (preview) { preview.textContent = event.target.value; preview.hidden = !event.target.value; }
    if (area && event.target.value) { area.value = event.target.value; count(area); area.focus(); }
  });
  if (location.hash) focus(location.hash.slice(1));
})();
