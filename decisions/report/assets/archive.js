// The calendar's arrow keys, and the comparison of two nights. Amounts are whole cents, so sums are exact.
(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const FOLD = 40;
  const nights = new Map(); // by ISO date, as each night's compare.js gives them
  const choices = JSON.parse($("choices").textContent);
  const [from, to, find, more, said] = ["compare-from", "compare-to", "compare-find", "compare-more", "compare-said"].map($);
  const body = $("compare-table").tBodies[0];
  let rows = [];
  let folded = true;

  globalThis.compareNight = (night) => nights.set(night.night, night);

  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };

  const money = (cents, signed = false) => {
    const size = Math.abs(cents);
    const text = `${Math.floor(size / 100).toLocaleString("en-US")}.${String(size % 100).padStart(2, "0")}`;
    return cents < 0 ? `\u2212${text}` : signed && cents > 0 ? `+${text}` : text;
  };

  function load(night) {
    if (nights.has(night)) return Promise.resolve(nights.get(night));
    return new Promise((resolve, reject) => {
      const script = make("script");
      script.src = `${night}/compare.js`;
      script.onload = () => nights.has(night) ? resolve(nights.get(night)) : reject(new Error(night));
      script.onerror = () => reject(new Error(night));
      document.head.append(script);
    });
  }

  function joined(a, b) {
    const lines = new Map();
    const take = (night, side) => {
      for (const [id, name, platform, cents, reason, badge] of night.lines) {
        const row = lines.get(id) ?? { id, before: 0, after: 0, inBefore: false, inAfter: false, whyBefore: "", whyAfter: "", badge: "" };
        Object.assign(row, { name, platform, [side]: cents, [side === "before" ? "inBefore" : "inAfter"]: true,
          [side === "before" ? "whyBefore" : "whyAfter"]: night.reasons[reason], badge: side === "after" ? badge : "" });
        lines.set(id, row);
      }
    };
    take(a, "before");
    take(b, "after");
    return [...lines.values()].sort((x, y) => Math.abs(y.after - y.before) - Math.abs(x.after - x.before) ||
      y.after - x.after || (x.id < y.id ? -1 : 1));
  }

  function shown() {
    const wanted = find.value.trim().toLowerCase();
    const fits = rows.filter((row) => !wanted ||
      `${row.name} ${row.platform} ${row.whyBefore} ${row.whyAfter}`.toLowerCase().includes(wanted));
    const some = folded ? fits.slice(0, FOLD) : fits;
    body.replaceChildren(...some.map((row) => {
      const change = row.after - row.before;
      const line = make("th", "", row.name);
      line.scope = "row";
      const why = make("td", "");
      if (row.badge) why.append(make("span", "badge", row.badge), " ");
      why.append(row.inAfter ? row.whyAfter : "Not in the later night.");
      if (!row.inBefore) why.append(make("span", "c-before-why", "Not in the earlier night."));
      else if (row.whyBefore !== row.whyAfter) why.append(make("span", "c-before-why", `Before: ${row.whyBefore}`));
      const tr = make("tr", "", line, make("td", "", row.platform), make("td", "n", money(row.before)),
        make("td", "n", money(row.after)), make("td", `n ${change > 0 ? "up" : change < 0 ? "down" : ""}`, money(change, true)), why);
      tr.dataset.line = row.id;
      return tr;
    }));
    more.hidden = some.length === fits.length;
    more.textContent = `Show all ${fits.length.toLocaleString("en-US")}`;
    $("compare-table").tFoot.classList.toggle("of-all", some.length < rows.length);
  }

  async function compare() {
    let a, b;
    try {
      [a, b] = await Promise.all([load(from.value), load(to.value)]);
    } catch (error) {
      rows = [];
      shown();
      said.textContent = `The budgets of the night of ${error.message} could not be read. Open the page from its folder, with the nights' folders beside it.`;
      return;
    }
    if (a.night !== from.value || b.night !== to.value) return; // a later choice came first
    rows = joined(a, b);
    folded = true;
    shown();
    const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
    const [before, after] = [sum("before"), sum("after")];
    const cells = $("compare-table").tFoot.rows[0].cells;
    [before, after].forEach((cents, i) => { cells[i + 2].textContent = money(cents); });
    cells[4].textContent = money(after - before, true);
    $("head-before").textContent = `Night of ${a.night}`;
    $("head-after").textContent = `Night of ${b.night}`;
    const changed = rows.filter((row) => row.after !== row.before);
    const moved = changed.reduce((total, row) => total + Math.max(row.after - row.before, 0), 0);
    const held = [a, b].filter((night) => night.held).map((night) => ` The night of ${night.night} was held: ${night.held}`);
    const off = [[a, before], [b, after]].filter(([night, total]) => night.total !== total)
      .map(([night, total]) => ` Do not rely on it: the lines of ${night.night} sum to ${money(total)}, its release says ${money(night.total)}.`);
    said.textContent = `Budget for ${a.day} against ${b.day}: ${changed.length.toLocaleString("en-US")} of ` +
      `${rows.length.toLocaleString("en-US")} lines differ, ${money(moved, true)} in those that rise. ` +
      `The total goes from ${money(before)} to ${money(after)} (${money(after - before, true)}).${held.join("")}${off.join("")}`;
  }

  function choose() {
    const asked = location.hash.match(/^#compare=(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)$/);
    const known = new Set(choices.map(([night]) => night));
    if (!asked || !known.has(asked[1]) || !known.has(asked[2])) return false;
    [from.value, to.value] = [asked[1], asked[2]];
    $("compare").scrollIntoView();
    return true;
  }

  const enough = choices.length > 1;
  $("compare-tool").hidden = !enough;
  $("compare-none").hidden = enough;
  if (enough) {
    for (const select of [from, to]) {
      select.append(...choices.map(([night, state]) => {
        const option = make("option", "", `${night} (${state})`);
        option.value = night;
        return option;
      }));
      select.addEventListener("change", () => {
        history.replaceState(null, "", `#compare=${from.value}..${to.value}`); // an address to send to others
        compare();
      });
    }
    [from.value, to.value] = [choices[1][0], choices[0][0]];
    find.addEventListener("input", shown);
    more.addEventListener("click", () => { folded = false; shown(); });
    addEventListener("hashchange", () => { if (choose()) compare(); });
    choose();
    compare();
  }

  const days = [...document.querySelectorAll("a[data-night]")].sort((a, b) => a.dataset.night < b.dataset.night ? -1 : 1);
  const place = new Map(days.map((day, i) => [day.dataset.night, i]));
  const STEP = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
  document.querySelector(".months")?.addEventListener("keydown", (event) => {
    const here = place.get(event.target.dataset?.night);
    if (!(event.key in STEP) || here === undefined) return;
    event.preventDefault();
    const step = STEP[event.key];
    const wanted = new Date(Date.parse(days[here].dataset.night) + step * 864e5).toISOString().slice(0, 10);
    // Where that day has no page, the nearest one beyond it in the same direction.
    const next = place.get(wanted) ?? (step > 0 ? days.findIndex((day) => day.dataset.night > wanted)
      : days.findLastIndex((day) => day.dataset.night < wanted));
    days[next]?.focus();
  });
})();
