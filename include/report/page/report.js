// Draws the charts and tables of a market when it is first opened, sorts tables, finds markets.
// Texts reach the page as textContent only. Nothing is stored and nothing is fetched.
(() => {
  "use strict";

  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const read = (element) => JSON.parse(element.textContent);
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };

  // --- figures

  const GAP = "\u00a0";
  const plain = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const decimal = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });
  const tenth = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });
  const date = new Intl.DateTimeFormat("en-US", { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });
  const minus = (text) => text.replace("-", "\u2212");
  const asDate = (value) => {
    const moment = new Date(value);
    return Number.isNaN(moment.getTime()) ? String(value) : date.format(moment);
  };
  const WRITE = {
    text: String,
    id: String,
    date: asDate,
    count: (value) => minus(plain.format(value)),
    decimal: (value) => minus(decimal.format(value)),
    money: (value) => minus(dollars.format(value)),
    percent: (value) => (value > 0 ? "+" : "") + minus(tenth.format(value)) + GAP + "%",
    share: (value) => minus(tenth.format(value * 100)) + GAP + "%",
  };
  const isNumber = (kind) => !["text", "id", "date"].includes(kind);

  // --- columns, as browser_data.py packs them

  const unpack = (column) => (Array.isArray(column) ? column : column.at.map((place) => column.of[place]));
  const rows = (columns) => {
    const names = Object.keys(columns);
    const lists = names.map((name) => unpack(columns[name]));
    return lists[0].map((_, row) => Object.fromEntries(names.map((name, place) => [name, lists[place][row]])));
  };

  // --- tables

  const sortable = new WeakMap(); // cell → the value that it is sorted by
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const cellOf = (value, head) => {
    const { kind, missing } = head.dataset;
    const cell = make("td", undefined, isNumber(kind) ? "number" : "");
    if (value === null || value === undefined || value === "") {
      if (missing) {
        cell.append(make("span", missing, "quiet"));
      } else {
        const dash = make("span", "–");
        dash.setAttribute("aria-hidden", "true");
        cell.append(dash, make("span", "not known", "unseen"));
      }
      sortable.set(cell, null);
    } else {
      cell.textContent = WRITE[kind](value);
      if (kind === "text") cell.dir = "auto";
      sortable.set(cell, value);
    }
    return cell;
  };

  const fill = (table, columns) => {
    const newestFirst = table.dataset.table === "days";
    const heads = all("thead th", table);
    const lists = heads.map((head) => unpack(columns[head.dataset.key]));
    const body = document.createDocumentFragment();
    for (let row = 0; row < lists[0].length; row += 1) {
      const line = make("tr");
      line.append(...heads.map((head, place) => cellOf(lists[place][row], head)));
      if (newestFirst) body.prepend(line);
      else body.append(line);
    }
    table.tBodies[0].append(body);
  };

  const sortValue = (cell) => {
    if (sortable.has(cell)) return sortable.get(cell);
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return cell.tagName === "TH" ? cell.textContent.trim() : null;
  };

  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number" ? one - other : collator.compare(one, other);

  // What is not known stays at the end, whichever way the rest is sorted.
  const sortBy = (head) => {
    const table = head.closest("table");
    const place = head.cellIndex;
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    const sign = order === "ascending" ? 1 : -1;
    const keyed = [...table.tBodies[0].rows].map((row) => [sortValue(row.cells[place]), row]);
    keyed.sort(([one], [other]) => {
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * compare(one, other);
    });
    all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    table.tBodies[0].append(...keyed.map(([, row]) => row));
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("thead button");
    if (button) sortBy(button.closest("th"));
  });

  // --- charts

  const nothing = () => Promise.reject(new Error("This page loads nothing."));
  const loader = { load: nothing, sanitize: nothing, http: nothing, file: nothing };
  const charts = document.getElementById("charts") ? read(document.getElementById("charts")) : {};

  const named = (spec) => {
    const layers = [spec, ...(spec.layer || [])];
    return new Set(layers.map((layer) => layer.data && layer.data.name).filter(Boolean));
  };

  const filled = (spec, data) => {
    const datasets = { ...spec.datasets };
    named(spec).forEach((name) => {
      if (!(name in datasets)) datasets[name] = rows(data[name]);
    });
    const params = spec.params.map((param) =>
      param.name in data.params ? { ...param, value: data.params[param.name] } : param,
    );
    return { ...structuredClone(spec), datasets, params };
  };

  const draw = async (holder, data) => {
    const space = holder.appendChild(make("div"));
    space.setAttribute("aria-hidden", "true"); // the holder's label speaks for the picture
    try {
      await window.vegaEmbed(space, filled(charts[holder.dataset.chart], data), {
        mode: "vega-lite",
        renderer: "svg",
        actions: false,
        loader,
        tooltip: { disableDefaultStyle: true },
        defaultStyle: false,
      });
    } catch (fault) {
      holder.removeAttribute("role");
      holder.replaceChildren(make("p", "This chart could not be drawn.", "empty"));
      console.error(fault);
    }
  };

  // --- markets

  const drawn = new WeakSet();

  const open = (market) => {
    if (drawn.has(market)) return;
    drawn.add(market);
    const data = read(market.querySelector("script.data"));
    all("table[data-table]", market).forEach((table) => fill(table, data[table.dataset.table]));
    all(".chart", market).forEach((holder) => draw(holder, data));
  };

  const markets = all("details.market");
  markets.forEach((market) => {
    if (market.open) open(market);
    market.addEventListener("toggle", () => market.open && open(market));
  });

  const show = (id) => {
    const target = document.getElementById(id);
    if (!target) return;
    if (target.matches("details.market")) {
      target.open = true;
      target.querySelector("summary").focus({ preventScroll: true });
    }
    target.scrollIntoView();
  };

  // A frame without an address of its own cannot follow a link within itself, so the page does.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    event.preventDefault();
    show(link.getAttribute("href").slice(1));
  });
  if (location.hash) show(decodeURIComponent(location.hash.slice(1)));

  const finder = document.getElementById("finder");
  if (finder) {
    const lines = all("#markets tbody tr");
    finder.addEventListener("input", () => {
      const wanted = finder.value.trim().toLowerCase();
      let found = 0;
      lines.forEach((line) => {
        const is = line.cells[0].textContent.toLowerCase().includes(wanted);
        line.hidden = !is;
        document.getElementById(line.dataset.market).hidden = !is;
        found += is;
      });
      document.getElementById("found").textContent = `${found} of ${lines.length} markets`;
    });
  }

  // --- the frame around the page

  if (window.parent !== window) {
    const tell = () => {
      const height = Math.ceil(document.body.getBoundingClientRect().height);
      window.parent.postMessage({ listingsReportHeight: height }, "*");
    };
    new ResizeObserver(tell).observe(document.body);
    tell();
  }
})();
