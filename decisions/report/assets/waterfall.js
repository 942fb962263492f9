// Each line's waterfall: opened from its row of the budget table, drawn from the numbers that the page holds.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("waterfall-data").textContent);
  const table = document.getElementById("budgets-table");
  if (!table || !data) return;

  const SVG = "http://www.w3.org/2000/svg";
  const LABEL = 15, BAR = 9, ROW = 34;
  const money = (cents, signed) => {
    const text = (Math.abs(cents) / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    return (cents < 0 ? "\u2212" : signed && cents > 0 ? "+" : "") + text;
  };

  // Bars float from where the one before ended; yesterday's and tomorrow's budgets are marks, not bars, as the axis
  // does not begin at nothing.
  function rowsOf([before, after, steps]) {
    const rows = [{ label: "Yesterday’s budget", at: before, text: money(before) }];
    let level = before;
    for (const [cause, cents] of steps) {
      rows.push({ label: data.causes[cause][0], hint: data.causes[cause][1], from: level, to: level + cents, text: money(cents, true) });
      level += cents;
    }
    rows.push({ label: "Tomorrow’s budget", at: after, text: money(after) });
    return rows;
  }

  function draw(line, width) {
    const rows = rowsOf(line);
    const levels = rows.flatMap((r) => r.at ?? [r.from, r.to]);
    const low = Math.min(...levels), high = Math.max(...levels);
    const x = (cents) => 4 + (width - 8) * (high > low ? (cents - low) / (high - low) : 0.5);
    const svg = document.createElementNS(SVG, "svg");
    const add = (name, attributes, text = "") => {
      const element = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      element.textContent = text;
      svg.append(element);
      return element;
    };
    svg.setAttribute("viewBox", `0 0 ${width} ${rows.length * ROW}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", rows.length * ROW);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", rows.map((r) => `${r.label} ${r.text}`).join(", ") + ` ${data.currency}`);
    rows.forEach((row, i) => {
      const top = i * ROW, bar = top + LABEL + 3;
      const end = "at" in row;
      add("text", { x: 0, y: top + 12, class: end ? "w-end" : "w-label" }, row.label);
      add("text", { x: width, y: top + 12, "text-anchor": "end", class: "w-end" }, row.text);
      if (end) {
        add("rect", { x: x(row.at) - 2, y: bar - 1, width: 4, height: BAR + 2, rx: 1, class: "w-mark" });
      } else {
        const [a, b] = [x(Math.min(row.from, row.to)), x(Math.max(row.from, row.to))];
        const shape = add("rect", { x: a, y: bar, width: Math.max(b - a, 1), height: BAR, rx: 2, class: row.to > row.from ? "w-up" : "w-down" });
        shape.append(Object.assign(document.createElementNS(SVG, "title"), { textContent: row.hint }));
      }
      if (i + 1 < rows.length) {
        const level = x(end ? row.at : row.to);
        add("line", { x1: level, x2: level, y1: bar + BAR, y2: bar + ROW, class: "w-link" });
      }
    });
    return svg;
  }

  for (const row of table.tBodies[0].rows) {
    const line = data.lines[row.dataset.line];
    if (!line) continue;
    const box = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = "What moved it";
    summary.setAttribute("aria-label", `What moved ${row.cells[0].textContent.trim()}`);
    box.className = "waterfall";
    box.append(summary);
    box.addEventListener("toggle", () => {
      if (!box.open || box.querySelector("svg")) return;
      box.append(draw(line, Math.max(Math.min(box.clientWidth, 420), 220)));
    });
    row.querySelector(".c-why").append(box);
  }
})();
