// Fan charts of the forecast: the scenario and the platform are chosen on the page, all numbers are in it.
(() => {
  "use strict";

  const source = document.getElementById("forecast-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const place = document.getElementById("forecast-charts");
  const DAY = 86400;
  const first = Date.parse(`${data.first}T00:00:00Z`) / 1000;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const PANELS = [
    { key: "spend", title: "Spend a day", unit: data.currency, color: "--c-spend" },
    { key: "conversions", title: "Conversions a day", unit: "", color: "--c-conversions" },
    { key: "conversion_value", title: "Conversion value a day", unit: data.currency, color: "--c-value" },
  ];

  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dayName = (t) => { const d = new Date(t * 1000); return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`; };
  const short = (v) => v >= 1e6 ? `${+(v / 1e6).toPrecision(3)}M` : v >= 1e3 ? `${+(v / 1e3).toPrecision(3)}k` : `${+v.toPrecision(3)}`;
  const number = (v, unit) => v.toLocaleString("en-US", { maximumFractionDigits: v < 100 ? 1 : 0 }) + (unit && ` ${unit}`);
  const scenario = document.getElementById("forecast-scenario");
  const scope = document.getElementById("forecast-scope");
  data.scenarios.forEach((s) => scenario.add(new Option(s.title, s.name)));
  data.scopes.forEach((s) => scope.add(new Option(s === "all" ? "all lines" : s, s)));
  document.getElementById("forecast-controls").hidden = false;

  let plots = [];

  function draw() {
    plots.forEach((p) => p.destroy());
    plots = [];
    place.replaceChildren();
    for (const panel of PANELS) {
      const was = data.so_far[scope.value][panel.key];
      const fan = data.fans[scope.value][scenario.value][panel.key];
      const back = was.length;
      const days = [...was, ...fan[0]].map((_, i) => first + (i - back) * DAY);
      const gap = new Array(back).fill(null);
      const ahead = fan.map((series) => [...gap, ...series]);
      const so_far = [...was, ...new Array(fan[0].length).fill(null)];
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const title = document.createElement("strong");
      const read = document.createElement("span");
      title.textContent = panel.title;
      caption.append(title, read);
      figure.append(caption);
      place.append(figure);
      const tell = (i) => {
        read.textContent = i < back
          ? `${dayName(days[i])}: ${was[i] == null ? "not yet known" : number(was[i], panel.unit)}`
          : `${dayName(days[i])}: about ${number(ahead[2][i], panel.unit)}, in 9 of 10 cases ${number(ahead[0][i], "")} to ${number(ahead[4][i], panel.unit)}`;
      };
      tell(back);
      const axis = { stroke: ink("--muted"), font: "11px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: ink("--line"), width: 1 } };
      const color = ink(panel.color);
      const hidden = { stroke: "transparent", width: 0, points: { show: false } };
      const plot = new uPlot({
        width: place.clientWidth, height: 170, padding: [8, 12, 0, 0], legend: { show: false },
        cursor: { sync: { key: "forecast" }, y: false, drag: { x: false, y: false } },
        scales: { x: { time: false, range: () => [days[0] - DAY / 2, days.at(-1) + DAY / 2] }, y: { range: (u, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1] } },
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 64, incrs: [1, 2, 7, 14, 28].map((n) => n * DAY), values: (u, at) => at.map(dayName) },
          { ...axis, size: 46, space: 38, values: (u, at) => at.map(short) },
        ],
        series: [{}, hidden, hidden, { stroke: color, width: 2, points: { show: false } }, hidden, hidden,
          { stroke: ink("--muted"), width: 1.5, points: { show: false } }],
        bands: [{ series: [5, 1], fill: `${color}26` }, { series: [4, 2], fill: `${color}40` }],
        hooks: { setCursor: [(u) => tell(u.cursor.idx ?? back)] },
      }, [days, ...ahead, so_far], figure);
      plot.root.setAttribute("role", "img");
      plot.root.setAttribute("aria-label", `${panel.title}, ${dayName(first)} to ${dayName(days.at(-1))}, ${scenario.selectedOptions[0].text}; the totals stand in a table below`);
      plots.push(plot);
    }
  }

  scenario.addEventListener("change", draw);
  scope.addEventListener("change", draw);
  let width = 0;
  new ResizeObserver(() => { if (place.clientWidth !== width) { width = place.clientWidth; draw(); } }).observe(place);
  for (const query of ["print", "(prefers-color-scheme: dark)"]) matchMedia(query).addEventListener("change", draw);
})();
