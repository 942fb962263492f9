// Fan charts of the forecast: the scenario and the platform are chosen on the page, all numbers are in it.
(() => {
  "use strict";

  const source = document.getElementById("forecast-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const place = document.getElementById("forecast-charts");
  const { DAY, ink, dayName } = byDay;
  const first = byDay.at(data.first);
  const PANELS = [
    { key: "spend", title: "Spend a day", unit: data.currency, color: "--c-spend" },
    { key: "conversions", title: "Conversions a day", unit: "", color: "--c-conversions" },
    { key: "conversion_value", title: "Conversion value a day", unit: data.currency, color: "--c-value" },
  ];

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
      const [figure, read] = byDay.framed(place, panel.title);
      const tell = (i) => {
        read.textContent = i < back
          ? `${dayName(days[i])}: ${was[i] == null ? "not yet known" : number(was[i], panel.unit)}`
          : `${dayName(days[i])}: about ${number(ahead[2][i], panel.unit)}, in 9 of 10 cases ${number(ahead[0][i], "")} to ${number(ahead[4][i], panel.unit)}`;
      };
      tell(back);
      const color = ink(panel.color);
      const hidden = { stroke: "transparent", width: 0, points: { show: false } };
      const label = `${panel.title}, ${dayName(first)} to ${dayName(days.at(-1))}, ${scenario.selectedOptions[0].text}; the totals stand in a table below`;
      plots.push(byDay.plot(figure, label, "forecast", days, [...ahead, so_far], {
        height: 170,
        series: [{}, hidden, hidden, { stroke: color, width: 2, points: { show: false } }, hidden, hidden,
          { stroke: ink("--muted"), width: 1.5, points: { show: false } }],
        bands: [{ series: [5, 1], fill: `${color}26` }, { series: [4, 2], fill: `${color}40` }],
        hooks: { setCursor: [(u) => tell(u.cursor.idx ?? back)] },
      }));
    }
  }

  scenario.addEventListener("change", draw);
  scope.addEventListener("change", draw);
  byDay.keepDrawn(place, draw);
})();
