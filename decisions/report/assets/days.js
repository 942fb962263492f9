// What the charts by day share. Colours come from the style sheet, so that light, dark and print agree with the page.
const byDay = (() => {
  "use strict";

  const DAY = 86400;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const at = (iso) => Date.parse(`${iso}T00:00:00Z`) / 1000;
  const dayName = (t) => { const d = new Date(t * 1000); return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`; };
  const short = (v) => v >= 1e6 ? `${+(v / 1e6).toPrecision(3)}M` : v >= 1e3 ? `${+(v / 1e3).toPrecision(3)}k` : `${+v.toPrecision(3)}`;

  // A figure with its title, and the place for the words that follow the pointer.
  function framed(place, text) {
    const [figure, caption, title, read] = ["figure", "figcaption", "strong", "span"].map((tag) => document.createElement(tag));
    title.textContent = text;
    caption.append(title, read);
    figure.append(caption);
    place.append(figure);
    return [figure, read];
  }

  // The options that all charts have; `more` has what is a chart's own. Charts of one `key` share the pointer.
  function plot(figure, label, key, days, data, more) {
    const axis = { stroke: ink("--muted"), font: "11px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: ink("--line"), width: 1 } };
    const made = new uPlot({
      width: figure.parentElement.clientWidth, padding: [8, 12, 0, 0], legend: { show: false },
      cursor: { sync: { key }, y: false, drag: { x: false, y: false } },
      scales: { x: { time: false, range: () => [days[0] - DAY / 2, days.at(-1) + DAY / 2] }, y: { range: (u, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 64, incrs: [1, 2, 7, 14, 28].map((n) => n * DAY), values: (u, ticks) => ticks.map(dayName) },
        { ...axis, size: 46, space: 38, values: (u, ticks) => ticks.map(short) },
      ],
      ...more,
    }, [days, ...data], figure);
    made.root.setAttribute("role", "img");
    made.root.setAttribute("aria-label", label);
    return made;
  }

  // Draws once `place` has a width, and again when it, the colours or the medium change.
  function keepDrawn(place, draw) {
    let width = 0;
    new ResizeObserver(() => { if (place.clientWidth !== width) { width = place.clientWidth; draw(); } }).observe(place);
    for (const query of ["print", "(prefers-color-scheme: dark)"]) matchMedia(query).addEventListener("change", draw);
  }

  return { DAY, ink, at, dayName, framed, plot, keepDrawn };
})();
