// The charts of past days.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("series-data").textContent);
  const place = document.getElementById("series");
  if (!place || !data.sets.length) return;

  const { DAY, ink, dayName } = byDay;
  const first = byDay.at(data.first);
  const days = data.known.map((_, i) => first + i * DAY);
  const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const PANELS = [
    { key: "spend", title: "Spend", unit: data.currency, digits: 2, color: "--c-spend" },
    { key: "conversions", title: "Conversions", unit: "", digits: 1, color: "--c-conversions", open: true },
    { key: "conversion_value", title: "Conversion value", unit: data.currency, digits: 2, color: "--c-value", open: true },
  ];
  if (data.orders.length) PANELS.push({ key: "orders", title: "Orders in the shop, all lines", unit: "", digits: 0, color: "--c-orders" });

  const growing = (i, panel) => panel.open && data.partly[i] ? " so far" : "";
  const fullDay = (t) => `${WEEKDAYS[new Date(t * 1000).getUTCDay()]} ${dayName(t)}`;
  const people = (v, panel) => v == null
    ? (panel.open ? "not yet known" : "–")
    : v.toLocaleString("en-US", { minimumFractionDigits: panel.digits, maximumFractionDigits: panel.digits }) + (panel.unit && ` ${panel.unit}`);
  const values = (set, panel) => panel.key === "orders" ? data.orders : set[panel.key];

  // Runs of days whose outcomes are unknown or still being reported, as [from, to] in seconds.
  function openRuns(set) {
    const total = set === data.sets[0];
    const known = days.map((_, i) => !data.partly[i] && (total ? data.known[i] : set.conversions[i] != null || set.spend[i] == null));
    const runs = [];
    known.forEach((k, i) => {
      if (k) return;
      const last = runs.at(-1);
      if (last && last[1] === days[i] - DAY / 2) last[1] += DAY;
      else runs.push([days[i] - DAY / 2, days[i] + DAY / 2]);
    });
    return runs;
  }

  const shade = (runs) => (u) => {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.fillStyle = ink("--open");
    for (const [from, to] of runs) {
      const a = Math.max(u.valToPos(from, "x", true), left);
      const b = Math.min(u.valToPos(to, "x", true), left + width);
      if (b > a) u.ctx.fillRect(a, top, b - a, height);
    }
    u.ctx.restore();
  };

  let plots = [];
  let chosen = data.sets[0];

  function draw() {
    plots.forEach((p) => p.destroy());
    plots = [];
    place.replaceChildren();
    const runs = openRuns(chosen);
    for (const panel of PANELS) {
      const [figure, read] = byDay.framed(place, panel.title);
      const ys = values(chosen, panel);
      const rest = () => {
        const last = ys.findLastIndex((v) => v != null);
        read.textContent = last < 0 ? "no day known yet" : `${fullDay(days[last])}: ${people(ys[last], panel)}${growing(last, panel)}`;
      };
      rest();
      if (!ys.some((v) => v != null)) continue;
      const label = `${panel.title} by day, ${chosen.name}, ${dayName(days[0])} to ${dayName(days.at(-1))}; the last 14 days stand in a table below`;
      plots.push(byDay.plot(figure, label, "days", days, [ys], {
        height: 150,
        series: [{}, { stroke: ink(panel.color), width: 1.75, points: { show: days.length < 3, size: 5 }, fill: ink(`${panel.color}-fill`) }],
        hooks: {
          drawClear: [shade(panel.open ? runs : [])],
          setCursor: [(u) => { const i = u.cursor.idx; if (i == null) rest(); else read.textContent = `${fullDay(days[i])}: ${people(ys[i], panel)}${growing(i, panel)}`; }],
        },
      }));
    }
    tabulate();
  }

  function tabulate() {
    const table = document.createElement("table");
    table.createCaption().textContent = `${chosen.name}, the last 14 days`;
    const head = table.createTHead().insertRow();
    for (const name of ["Day", ...PANELS.map((p) => p.unit ? `${p.title} (${p.unit})` : p.title)]) {
      const th = document.createElement("th");
      th.scope = "col";
      th.textContent = name;
      if (name !== "Day") th.className = "n";
      head.append(th);
    }
    const body = table.createTBody();
    for (let i = days.length - 1; i >= Math.max(0, days.length - 14); i--) {
      const row = body.insertRow();
      const th = document.createElement("th");
      th.scope = "row";
      th.textContent = fullDay(days[i]);
      row.append(th);
      for (const panel of PANELS) {
        const cell = row.insertCell();
        cell.className = "n";
        cell.textContent = people(values(chosen, panel)[i], { ...panel, unit: "" });
      }
    }
    document.querySelector("#series-numbers .table-box").replaceChildren(table);
  }

  const pick = document.getElementById("series-pick");
  data.sets.forEach((set, i) => pick.add(new Option(set.name, i)));
  pick.addEventListener("change", () => { chosen = data.sets[pick.value]; draw(); });

  byDay.keepDrawn(place, draw);
})();
