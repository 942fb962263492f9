// Sorting, searching and folding of the page's tables. Without scripts every row simply shows.
(() => {
  "use strict";

  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const make = (tag, props = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), props);
    element.append(...children);
    return element;
  };

  function enhance(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const cards = table.parentElement.classList.contains("cards");
    const fold = cards && matchMedia("screen and (max-width: 640px)").matches ? 8 : Number(table.dataset.fold);
    const text = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    let folded = rows.length > fold + 3; // hiding one or two rows saves nothing
    let search = null;
    const choices = [];

    const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent.trim();

    function show() {
      const wanted = search ? search.value.trim().toLowerCase() : "";
      const chosen = choices.filter(([select]) => select.value !== "");
      let shown = 0;
      let matches = 0;
      for (const row of body.rows) {
        const fits = (!wanted || text.get(row).includes(wanted)) &&
          chosen.every(([select, i]) => value(row, i) === select.value);
        matches += fits;
        row.hidden = !fits || (folded && shown >= fold);
        shown += !row.hidden;
      }
      more.hidden = !folded || matches <= shown;
      more.textContent = `Show all ${matches.toLocaleString("en-US")}`;
      count.textContent = matches < rows.length ? `${matches.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")}` : "";
      foot(matches === rows.length);
    }

    // A total under a part of the rows would be read as the total of that part.
    function foot(whole) {
      if (table.tFoot) table.tFoot.classList.toggle("of-all", !whole);
    }

    function sort(i, direction) {
      const numeric = heads[i].classList.contains("n");
      const key = (row) => numeric ? (row.cells[i].dataset.v === undefined ? null : Number(row.cells[i].dataset.v)) : value(row, i);
      const compare = (a, b) => {
        const x = key(a), y = key(b);
        if (x === null || y === null) return (x === null) - (y === null);
        return direction * (numeric ? x - y : collator.compare(x, y));
      };
      body.append(...[...rows].sort(compare));
      heads.forEach((head, j) => j === i
        ? head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending")
        : head.removeAttribute("aria-sort"));
      show();
    }

    heads.forEach((head, i) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const first = head.classList.contains("n") ? -1 : 1; // numbers start with the largest
        sort(i, now === null ? first : now === "ascending" ? -1 : 1);
      });
      head.append(button);
    });

    const bar = make("div", { className: "bar-tools" });
    const count = make("span", { className: "quiet" });
    count.setAttribute("role", "status");
    const more = make("button", { type: "button", className: "more-rows" });
    more.addEventListener("click", () => { folded = false; show(); });
    if (rows.length > 12) {
      search = make("input", { type: "search", placeholder: "Find", autocomplete: "off" });
      search.setAttribute("aria-label", `Find in ${table.caption.textContent}`);
      search.addEventListener("input", show);
      bar.append(search);
    }
    heads.forEach((head, i) => {
      const values = [...new Set(rows.map((row) => value(row, i)))].filter(Boolean).sort(collator.compare);
      if (!("choose" in head.dataset) || values.length < 2 || values.length > 60 || rows.length <= 12) return;
      const select = make("select", {}, make("option", { value: "" }, `${head.textContent}: all`));
      select.append(...values.map((v) => make("option", { value: v }, v)));
      select.setAttribute("aria-label", head.textContent);
      select.addEventListener("change", show);
      choices.push([select, i]);
      bar.append(select);
    });
    if (cards && rows.length > 1) {
      const order = make("select", { className: "card-sort" }, make("option", { value: "" }, "Sort by"));
      heads.forEach((head, i) => order.append(make("option", { value: String(i) }, head.textContent)));
      order.setAttribute("aria-label", "Sort by");
      order.addEventListener("change", () => {
        if (order.value !== "") sort(Number(order.value), heads[Number(order.value)].classList.contains("n") ? -1 : 1);
      });
      bar.append(order);
    }
    bar.append(count);
    bar.classList.toggle("only-cards", !search);
    if (bar.children.length > 1) table.parentElement.before(bar);
    table.parentElement.after(more);
    show();
  }

  document.querySelectorAll("table[data-fold]").forEach(enhance);
  addEventListener("beforeprint", () => document.querySelectorAll("details:not(.waterfall, .entry)").forEach((d) => { d.open = true; }));
})();
