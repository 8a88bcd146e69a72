"use strict";
// The page of camkit report: tabs, the gallery, and the large view whose sliders look boxes up. Nothing is computed here
// that a table could hold: boxes at every tau come with each map, and a slider only asks which of them holds.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const folder = byId("folder").textContent;
  const CHUNK = 64;
  const HALF = 0.5; // IoU from which on an image counts as localized

  // ---- small helpers
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const drawn = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const shown = (number, digits = 2) => (number === undefined || number === null ? "–" : number.toFixed(digits));
  const clamp = (number, low, high) => Math.min(Math.max(number, low), high);

  // ---- what each image has beside its facts: parsed a chunk at a time, the last ones kept
  const chunks = new Map();
  function details(index) {
    const number = Math.floor(index / CHUNK);
    if (!chunks.has(number)) {
      const element = byId(`details-${number}`);
      if (!element) return null; // not there yet: the page is still being read
      chunks.set(number, JSON.parse(element.textContent));
      if (chunks.size > 16) chunks.delete(chunks.keys().next().value);
    }
    return chunks.get(number)[index % CHUNK];
  }
  function address(index, small) {
    if (!data.items[index].picture) return null;
    const name = String(index).padStart(6, "0") + (small ? "s" : "");
    if (folder) return `${encodeURIComponent(folder)}/${name}.jpg`;
    const element = byId(`picture-${name}`);
    return element ? `data:image/jpeg;base64,${element.textContent}` : null;
  }

  // ---- boxes
  // A map's boxes over tau: differences of few bytes, summed up. Kept with the map once they were asked for.
  function boxesOf(map) {
    if (map.table) return map.table;
    const packed = bytes(map.boxes);
    const boxes = [];
    const box = [0, 0, 0, 0];
    let value = 0, shift = 0, side = 0;
    for (const byte of packed) {
      value += (byte & 127) * 2 ** shift;
      shift += 7;
      if (byte < 128) {
        box[side] += value % 2 ? -(value + 1) / 2 : value / 2;
        if (++side === 4) { boxes.push([...box]); side = 0; }
        value = shift = 0;
      }
    }
    const starts = bytes(map.starts).buffer;
    map.table = {
      boxes,
      starts: map.single ? new Float32Array(starts) : new Float64Array(starts),
      values: new Float64Array(bytes(map.values).buffer),
    };
    return map.table;
  }
  function tauAt(map, rule, percentile, theta) {
    const { values } = boxesOf(map);
    const [lo, hi] = data.rules[rule].pairs[percentile].map((level) => values[level]);
    return lo + data.thetas[theta] * (hi - lo);
  }
  function boxAt(map, tau) {
    const { boxes, starts } = boxesOf(map);
    const asked = map.grey ? Math.trunc(tau * 255) : tau;
    let low = 0, high = starts.length; // the last start that is not above
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= asked) low = middle; else high = middle;
    }
    return boxes[low];
  }
  const GRID = 224; // of the wsol protocol: corners inclusive
  // In pixels of the image, half open.
  function inImage(box, grid, size) {
    if (!grid) return box;
    const [height, width] = size;
    return [box[0] * width / GRID, box[1] * height / GRID, (box[2] + 1) * width / GRID, (box[3] + 1) * height / GRID];
  }
  const isEmpty = (box, grid) => (grid ? box.every((side) => side === 0) : box[2] <= box[0]);
  function iouOf(box, truths, more) {
    const area = (b) => (b[2] - b[0] + more) * (b[3] - b[1] + more);
    let best = 0;
    for (const truth of truths) {
      const width = Math.max(Math.min(box[2], truth[2]) - Math.max(box[0], truth[0]) + more, 0);
      const height = Math.max(Math.min(box[3], truth[3]) - Math.max(box[1], truth[1]) + more, 0);
      const together = area(box) + area(truth) - width * height;
      if (together > 0) best = Math.max(best, width * height / together);
    }
    return best;
  }
  function areaOf(item, number) {
    const box = item.boxes[number];
    if (!box || !item.size) return undefined;
    const grid = data.columns[number].grid;
    if (isEmpty(box, grid)) return 0;
    const [x0, y0, x1, y1] = inImage(box, grid, item.size);
    return (x1 - x0) * (y1 - y0) / (item.size[0] * item.size[1]);
  }
  const truthArea = (item) => (item.size && item.truth.length
    ? Math.max(...item.truth.map(([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0))) / (item.size[0] * item.size[1])
    : undefined);

  // ---- drawing
  const palette = bytes(data.colours);
  // The map in the palette's colours, each pixel between its four nearest cells.
  function paint(canvas, picture, times) {
    const grey = bytes(picture.grey);
    const { width, height } = picture;
    canvas.width = width * times;
    canvas.height = height * times;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    for (let y = 0, at = 0; y < canvas.height; y++) {
      const v = clamp((y + 0.5) / times - 0.5, 0, height - 1);
      const v0 = Math.floor(v), v1 = Math.min(v0 + 1, height - 1), dv = v - v0;
      for (let x = 0; x < canvas.width; x++, at += 4) {
        const u = clamp((x + 0.5) / times - 0.5, 0, width - 1);
        const u0 = Math.floor(u), u1 = Math.min(u0 + 1, width - 1), du = u - u0;
        const above = grey[v0 * width + u0] * (1 - du) + grey[v0 * width + u1] * du;
        const below = grey[v1 * width + u0] * (1 - du) + grey[v1 * width + u1] * du;
        const shade = 3 * Math.round(above * (1 - dv) + below * dv);
        image.data[at] = palette[shade];
        image.data[at + 1] = palette[shade + 1];
        image.data[at + 2] = palette[shade + 2];
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }
  function rectangle(box, kind) {
    const place = { x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1] };
    return drawn("g", { class: `box ${kind}` }, drawn("rect", { class: "casing", ...place }), drawn("rect", { class: "line", ...place }));
  }
  // A map over the part of the image that it covers.
  function heatOf(map, [height, width], opacity, small) {
    const canvas = make("canvas", { className: "heat" });
    paint(canvas, map.picture, small ? 2 : 8);
    const [x0, y0, x1, y1] = map.part;
    Object.assign(canvas.style, {
      left: `${100 * x0 / width}%`, top: `${100 * y0 / height}%`,
      width: `${100 * (x1 - x0) / width}%`, height: `${100 * (y1 - y0) / height}%`, opacity: opacity / 100,
    });
    canvas.setAttribute("aria-hidden", "true");
    return canvas;
  }
  // Picture, map and boxes in one frame that keeps the image's proportions.
  function fill(frame, index, map, opacity, boxes, small) {
    const item = data.items[index];
    const [height, width] = item.size || [3, 4];
    const parts = [];
    const source = address(index, small) || (small ? null : address(index, true));
    if (source) parts.push(make("img", { src: source, alt: "", decoding: "async", draggable: false }));
    else parts.push(make("span", { className: "no-picture", textContent: "no picture" }));
    if (map && opacity > 0) parts.push(heatOf(map, item.size, opacity, small));
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
    for (const [kind, box] of boxes) svg.append(rectangle(box, kind));
    frame.replaceChildren(...parts, svg);
    frame.style.setProperty("--ratio", `${width} / ${height}`);
    frame.style.setProperty("--wide", width / height);
  }
  const mapOf = (index, kind) => (details(index)?.maps || []).find((map) => map.kind === kind);

  // ---- tabs
  const sections = [...document.querySelectorAll("main > section")];
  const tabs = sections.map((section) => {
    const name = section.querySelector("h2").textContent;
    const tab = make("button", { type: "button", id: `tab-${section.id}`, textContent: name });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", section.id);
    section.setAttribute("role", "tabpanel");
    section.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => choose(section.id, true));
    return tab;
  });
  byId("tabs").append(...tabs);
  byId("tabs").hidden = false;
  byId("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const now = tabs.indexOf(document.activeElement);
    const next = tabs[(now + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
    event.preventDefault();
  });
  function choose(id, remember) {
    sections.forEach((section, i) => {
      const on = section.id === id;
      section.hidden = !on;
      tabs[i].setAttribute("aria-selected", on);
      tabs[i].tabIndex = on ? 0 : -1;
    });
    if (remember) history.replaceState(null, "", `#${id}`);
    if (id === "pictures" && gallery) layOut();
  }

  // ---- light and dark
  const theme = byId("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `Switch to ${theme.textContent.toLowerCase()} colours`); };
  theme.hidden = false;
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  dark.addEventListener("change", nameTheme);
  nameTheme();

  // ---- gallery: what is shown, in which order
  const gallery = byId("gallery");
  let order = data.items.map((_, index) => index);
  let first = 0, second = -1;
  const control = (id) => byId(id);
  function difference(item) {
    const a = item.ious[first], b = item.ious[second];
    return a === undefined || b === undefined ? undefined : b - a;
  }
  const SORTED = {
    name: (item) => item.name,
    class: (item) => item.class,
    iou: (item) => item.ious[first],
    difference,
    area: (item) => areaOf(item, first),
    truth: truthArea,
    score: (item) => item.scores[first],
  };
  const OUTCOMES = {
    found: (item) => item.right[first] === true,
    missed: (item) => item.right[first] === false,
    gained: (item) => item.right[first] === false && item.right[second] === true,
    lost: (item) => item.right[first] === true && item.right[second] === false,
    class: (item) => item.predicted !== null && item.predicted !== item.class,
    empty: (item) => item.boxes[first] !== undefined && isEmpty(item.boxes[first], data.columns[first].grid),
    failed: (item) => item.failed.length > 0,
  };
  function limits(id) {
    const [low, high] = ["low", "high"].map((end) => control(`${id}-${end}`).value);
    return [low === "" ? null : Number(low), high === "" ? null : Number(high)];
  }
  const within = (value, [low, high]) => (low === null && high === null)
    || (value !== undefined && (low === null || value >= low) && (high === null || value <= high));
  function sift() {
    const name = control("name").value.toLowerCase();
    const group = control("class").value;
    const outcome = OUTCOMES[control("outcome").value];
    const iou = limits("iou");
    const area = limits("area").map((percent) => (percent === null ? null : percent / 100));
    order = data.items.map((_, index) => index).filter((index) => {
      const item = data.items[index];
      return (!name || item.name.toLowerCase().includes(name)) && (!group || item.class === group)
        && (!outcome || outcome(item)) && within(item.ious[first], iou) && within(areaOf(item, first), area);
    });
    const key = SORTED[control("sort").value];
    const turn = control("descending").checked ? -1 : 1;
    if (key) {
      const keys = new Map(order.map((index) => [index, key(data.items[index])]));
      order.sort((a, b) => {
        const x = keys.get(a), y = keys.get(b);
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined) || a - b; // at the end
        return turn * (x < y ? -1 : x > y ? 1 : 0) || a - b;
      });
    } else if (turn < 0) order.reverse();
    current = 0;
    const total = data.items.length;
    byId("count").textContent = order.length === total ? `${total.toLocaleString("en")} pictures` : `${order.length.toLocaleString("en")} of ${total.toLocaleString("en")} pictures`;
    byId("none").hidden = order.length > 0;
    cards.clear();
    gallery.replaceChildren();
    layOut();
  }

  // ---- gallery: only the rows in sight exist
  const cards = new Map(); // place in the order -> element
  let current = 0, across = 1, cardWidth = 200, rowHeight = 240;
  const GAP = 16, CAPTION = 66, NARROWEST = 168;
  function layOut() {
    const width = gallery.clientWidth;
    if (!width) return;
    const before = across;
    across = Math.max(1, Math.floor((width + GAP) / (Math.min(NARROWEST + width / 20, 220) + GAP)));
    if (width < 420) across = Math.max(across, 2);
    cardWidth = (width - GAP * (across - 1)) / across;
    rowHeight = Math.round(cardWidth * 0.75) + CAPTION + GAP;
    gallery.style.height = `${Math.ceil(order.length / across) * rowHeight}px`;
    gallery.style.setProperty("--picture", `${Math.round(cardWidth * 0.75)}px`);
    if (before !== across) { cards.clear(); gallery.replaceChildren(); }
    for (const [place, card] of cards) put(card, place);
    inSight();
  }
  function put(card, place) {
    card.style.width = `${cardWidth}px`;
    card.style.height = `${rowHeight - GAP}px`;
    card.style.transform = `translate(${(place % across) * (cardWidth + GAP)}px, ${Math.floor(place / across) * rowHeight}px)`;
  }
  function inSight() {
    const top = gallery.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor((-top - 300) / rowHeight)) * across;
    const to = Math.min(order.length, (Math.floor((innerHeight - top + 300) / rowHeight) + 1) * across);
    for (const [place, card] of cards) {
      if ((place < from || place >= to) && !card.contains(document.activeElement)) { card.remove(); cards.delete(place); }
    }
    for (let place = from; place < to; place++) {
      if (cards.has(place)) continue;
      const card = cardOf(place);
      cards.set(place, card);
      const after = [...cards.keys()].filter((other) => other > place);
      gallery.insertBefore(card, after.length ? cards.get(Math.min(...after)) : null);
    }
  }
  function boxesShown(index) {
    const item = data.items[index];
    const boxes = item.truth.map((box) => ["truth", box]);
    for (const [kind, number] of [["second", second], ["first", first]]) {
      const box = item.boxes[number];
      if (box && item.size && !isEmpty(box, data.columns[number].grid)) boxes.push([kind, inImage(box, data.columns[number].grid, item.size)]);
    }
    return boxes;
  }
  function told(item) {
    const parts = [];
    const iou = item.ious[first];
    if (iou !== undefined) parts.push(`IoU ${shown(iou)}`);
    if (second >= 0 && item.ious[second] !== undefined) parts.push(`→ ${shown(item.ious[second])}`);
    if (!parts.length && item.scores[first] !== undefined) parts.push(`score ${shown(item.scores[first])}`);
    if (!parts.length && item.failed.length) parts.push("failed");
    return parts.join(" ");
  }
  function cardOf(place) {
    const index = order[place];
    const item = data.items[index];
    const frame = make("span", { className: "frame" });
    const right = item.right[first];
    const mark = make("span", { className: right === undefined ? "mark" : right ? "mark right" : "mark wrong", textContent: right === undefined ? "" : right ? "✓" : "✕" });
    mark.setAttribute("aria-hidden", "true");
    const said = right === undefined ? "" : right ? ", found" : ", missed";
    const button = make("button", { type: "button", className: "card", tabIndex: place === current ? 0 : -1 },
      make("span", { className: "picture" }, frame),
      make("span", { className: "name", textContent: item.name, title: item.name }),
      make("span", { className: "class", textContent: item.class || item.failed.join("; "), title: item.class }),
      make("span", { className: "number" }, mark, told(item)));
    button.setAttribute("aria-label", `${item.name}, ${item.class || "no result"}, ${told(item)}${said}`);
    button.addEventListener("click", () => open(place));
    button.addEventListener("focus", () => { current = place; for (const [other, one] of cards) one.firstChild.tabIndex = other === place ? 0 : -1; });
    const card = make("li", {}, button);
    card.setAttribute("aria-setsize", order.length);
    card.setAttribute("aria-posinset", place + 1);
    put(card, place);
    const heat = Number(control("heat").value);
    const kind = first >= 0 && data.columns.length ? data.columns[first].map : null;
    fill(frame, index, null, 0, boxesShown(index), true);
    if (heat > 0 && kind !== null) heatLater(frame, index, kind, heat);
    return card;
  }
  // Maps come once the scrolling rests, a few at a time: what is scrolled past needs none.
  const cold = [];
  let warming = 0;
  function heatLater(frame, index, kind, heat) {
    cold.push([frame, index, kind, heat]);
    clearTimeout(warming);
    warming = setTimeout(warm, 60);
  }
  function warm() {
    const until = performance.now() + 8;
    while (cold.length && performance.now() < until) {
      const [frame, index, kind, heat] = cold.shift();
      const map = frame.isConnected ? mapOf(index, kind) : null;
      if (map) frame.insertBefore(heatOf(map, data.items[index].size, heat, true), frame.lastChild);
    }
    if (cold.length) warming = setTimeout(warm);
  }
  function moveTo(place) {
    current = clamp(place, 0, order.length - 1);
    const top = gallery.getBoundingClientRect().top + Math.floor(current / across) * rowHeight;
    if (top < 60) scrollBy(0, top - 60);
    else if (top + rowHeight > innerHeight) scrollBy(0, top + rowHeight - innerHeight);
    inSight();
    cards.get(current)?.firstChild.focus({ preventScroll: true });
  }
  if (gallery) {
    gallery.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(innerHeight / rowHeight)) * across;
      const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (!(event.key in steps)) return;
      event.preventDefault();
      moveTo(current + steps[event.key]);
    });
    let asked = false;
    addEventListener("scroll", () => {
      if (asked || byId("pictures").hidden) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; inSight(); });
    }, { passive: true });
    new ResizeObserver(() => layOut()).observe(gallery.parentElement);

    const options = (id, numbers, none) => control(id).append(...(none ? [make("option", { value: -1, textContent: none })] : []),
      ...numbers.map((i) => make("option", { value: i, textContent: labels[i] })));
    const labels = data.columns.map((column) => column.label);
    const boxed = data.columns.flatMap((column, i) => (column.boxes ? [i] : []));
    options("first", boxed);
    options("second", boxed, "nothing");
    for (const id of ["first", "second"]) control(id).parentElement.hidden = !boxed.length;
    const groups = [...new Set(data.items.map((item) => item.class).filter(Boolean))].sort();
    control("class").append(...groups.map((name) => make("option", { value: name, textContent: name })));
    const begin = () => { [first, second] = [boxed[0] ?? -1, boxed.length > 1 ? boxed[boxed.length - 1] : -1]; };
    begin();
    control("second").value = second;
    document.querySelector(".legend .truth").hidden = !data.items.some((item) => item.truth.length);
    const legend = () => {
      for (const [kind, number] of [["first", first], ["second", second]]) {
        const entry = document.querySelector(`.legend .${kind}`);
        entry.textContent = number >= 0 ? labels[number] : "";
        entry.hidden = number < 0;
      }
    };
    const changed = () => { first = boxed.length ? Number(control("first").value) : -1; second = Number(control("second").value); legend(); sift(); };
    let later = 0;
    byId("filters").addEventListener("input", (event) => {
      clearTimeout(later);
      later = setTimeout(changed, event.target.id === "name" || event.target.id === "heat" ? 80 : 0);
    });
    byId("filters").addEventListener("reset", () => setTimeout(() => { begin(); control("first").value = first; control("second").value = second; changed(); }));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    control("first").value = first;
    if (innerWidth < 700) byId("tools").open = false;
    legend();
  }

  // ---- the large view
  const view = byId("view");
  const cut = { kind: 0, rule: 0, theta: 0, percentile: 0, own: true };
  let showing = 0; // place in the order
  const LARGE = { frame: byId("frame"), maps: [], shows: "" };
  function open(place) {
    showing = place;
    current = place;
    show();
    if (!view.open) view.showModal();
  }
  function show() {
    const index = order[showing];
    const item = data.items[index];
    const held = details(index);
    byId("view-name").textContent = item.name;
    const predicted = item.predicted === null || item.predicted === item.class ? "" : ` · the model says ${item.predicted}`;
    byId("view-class").textContent = `${item.class}${predicted}${item.size ? ` · ${item.size[1]} × ${item.size[0]} pixels` : ""}`;
    byId("place").textContent = `${showing + 1} of ${order.length}`;
    byId("previous").disabled = showing === 0;
    byId("next").disabled = showing === order.length - 1;
    facts(item);
    const faults = [...item.failed, ...(held ? held.faults : [])];
    byId("faults").hidden = !faults.length;
    byId("faults").textContent = faults.join("; ");
    LARGE.maps = held ? held.maps : [];
    const kinds = LARGE.maps.map((map) => map.kind);
    byId("kind").replaceChildren(...kinds.map((kind) => make("option", { value: kind, textContent: data.kinds[kind].label })));
    byId("kind-label").hidden = kinds.length < 2;
    byId("cut").hidden = !kinds.length;
    byId("no-map").hidden = kinds.length > 0;
    byId("no-map").textContent = "There is no map of this picture: what brings one stands above the gallery.";
    if (kinds.length) {
      const wanted = data.columns[first]?.map;
      if (!kinds.includes(cut.kind) || cut.own) cut.kind = kinds.includes(wanted) ? wanted : kinds[0];
      if (cut.own) asTheRun();
    }
    redraw();
    tiles(index, item, held);
  }
  function facts(item) {
    const rows = data.columns.flatMap((column, number) => {
      const box = item.boxes[number];
      if (!box && item.scores[number] === undefined) return [];
      const kind = number === first ? "first" : number === second ? "second" : "";
      const own = item.classes[number];
      const name = make("th", { className: kind, textContent: own && own !== item.class ? `${column.label}: ${own}` : column.label });
      name.scope = "row";
      const right = item.right[number];
      const iou = item.ious[number] === undefined ? "–" : `${shown(item.ious[number], 3)} ${right ? "✓" : "✕"}`;
      const cell = (text) => make("td", { className: "number", textContent: text });
      return [make("tr", {}, name, cell(iou), cell(shown(item.scores[number], 3)), cell(box ? (isEmpty(box, column.grid) ? "empty" : box.join(", ") + (column.grid ? ` of ${GRID}` : "")) : "–"))];
    });
    for (const [number, figures] of Object.entries(item.figures)) {
      rows.push(...figures.map(([name, value]) => {
        const head = make("th", { textContent: `${data.columns[number].label}: ${name}` });
        head.scope = "row";
        return make("tr", {}, head, make("td", { className: "number", colSpan: 3, textContent: String(Number(value.toPrecision(4))) }));
      }));
    }
    byId("facts").tBodies[0].replaceChildren(...rows);
    byId("facts").hidden = !rows.length;
  }
  // The run's own setting; the registry's first where it has none.
  function asTheRun() {
    const column = data.columns[first];
    const start = column && column.map === cut.kind ? column.start
      : data.columns.find((one) => one.map === cut.kind && one.start)?.start;
    byId("back").hidden = !start && !ownBox(order[showing]);
    const chosen = start || { rule: 0, theta: data.rules[0].theta, percentile: data.rules[0].start };
    Object.assign(cut, chosen, { own: true });
  }
  // The run's box, where a rule of its user's own cut it: no stop of the sliders is that rule.
  function ownBox(index) {
    const column = data.columns[first];
    return column && column.map === cut.kind && !column.start ? data.items[index].boxes[first] : undefined;
  }
  function truthsFor(index, grid) {
    return grid ? details(index)?.grid || [] : data.items[index].truth;
  }
  function cutBox(index, map, rule, percentile, theta) {
    const tau = tauAt(map, rule, percentile, theta);
    const box = boxAt(map, tau);
    const grid = data.kinds[map.kind].grid;
    const truths = truthsFor(index, grid);
    return { tau, box, grid, empty: isEmpty(box, grid), iou: truths.length ? iouOf(box, truths, grid ? 1 : 0) : undefined };
  }
  function redraw() {
    const index = order[showing];
    const item = data.items[index];
    const map = LARGE.maps.find((one) => one.kind === cut.kind);
    const boxes = item.truth.map((box) => ["truth", box]);
    if (map) {
      const rule = data.rules[cut.rule];
      byId("kind").value = cut.kind;
      byId("rule").value = cut.rule;
      Object.assign(byId("theta"), { max: data.thetas.length - 1, value: cut.theta });
      const theta = data.thetas[cut.theta].toFixed(2).replace(/(\.\d)0$/, "$1");
      byId("theta-value").textContent = String(Number(data.thetas[cut.theta].toPrecision(6)));
      byId("theta").setAttribute("aria-valuetext", `theta ${theta}`);
      byId("percentile-label").hidden = !rule.percentiles.length;
      if (rule.percentiles.length) {
        Object.assign(byId("percentile"), { max: rule.percentiles.length - 1, value: cut.percentile });
        byId("percentile-value").textContent = rule.percentiles[cut.percentile];
        byId("percentile").setAttribute("aria-valuetext", `percentile ${rule.percentiles[cut.percentile]}`);
      }
      const found = cutBox(index, map, cut.rule, cut.percentile, cut.theta);
      const own = cut.own ? ownBox(index) : undefined;
      if (own) Object.assign(found, { box: own, empty: isEmpty(own, found.grid), iou: item.ious[first] });
      byId("tau").textContent = own ? "of its own rule" : found.tau.toPrecision(4);
      byId("box").textContent = found.empty ? "empty" : found.box.join(", ");
      byId("box-title").textContent = found.grid ? `box, on ${GRID} × ${GRID}` : "box";
      byId("iou").textContent = shown(found.iou, 3);
      if (!found.empty && item.size) boxes.push(["cut", inImage(found.box, found.grid, item.size)]);
      const other = second >= 0 ? boxesShown(index).filter(([kind]) => kind === "second") : [];
      boxes.splice(item.truth.length, 0, ...other);
      byId("stage-caption").textContent = `${item.truth.length ? "red: ground truth; " : ""}yellow: ${own ? "the box as the run cut it, by a rule of its own" : "the box at these sliders"}${other.length ? `; green: ${data.columns[second].label}` : ""}`;
    } else {
      boxes.push(...boxesShown(index).filter(([kind]) => kind !== "truth"));
      byId("stage-caption").textContent = "red: ground truth; yellow and green: the runs' boxes";
    }
    const opacity = Number(byId("opacity").value);
    byId("opacity-value").textContent = `${opacity} %`;
    const shows = `${index} ${map ? map.kind : ""}`;
    if (LARGE.shows !== shows) {
      LARGE.shows = shows;
      fill(LARGE.frame, index, map, opacity || 0.001, boxes, false);
    } else { // only the box moves with a slider: picture and map stay
      LARGE.frame.querySelector("svg").replaceChildren(...boxes.map(([kind, box]) => rectangle(box, kind)));
    }
    const heat = LARGE.frame.querySelector(".heat");
    if (heat) heat.style.opacity = opacity / 100;
  }
  function tiles(index, item, held) {
    const list = byId("tiles");
    const made = [];
    for (const map of held ? held.maps : []) {
      data.rules.forEach((rule, number) => {
        const found = cutBox(index, map, number, rule.start, rule.theta);
        const frame = make("span", { className: "frame" });
        const boxes = item.truth.map((box) => ["truth", box]);
        if (!found.empty && item.size) boxes.push(["cut", inImage(found.box, found.grid, item.size)]);
        fill(frame, index, map, 50, boxes, true);
        const iou = found.iou === undefined ? "" : `IoU ${shown(found.iou)}`;
        const button = make("button", { type: "button", className: "tile" }, make("span", { className: "picture" }, frame),
          make("span", { className: "name", textContent: `${data.kinds[map.kind].label}, ${rule.name}` }),
          make("span", { className: "class", textContent: rule.words }), make("span", { className: "number", textContent: iou }));
        button.addEventListener("click", () => {
          Object.assign(cut, { kind: map.kind, rule: number, theta: rule.theta, percentile: rule.start, own: false });
          redraw();
          view.scrollTo(0, 0);
        });
        made.push(make("li", {}, button));
      });
    }
    list.replaceChildren(...made);
    document.querySelector(".beside").hidden = !made.length;
  }
  function step(by) {
    const next = clamp(showing + by, 0, order.length - 1);
    if (next !== showing) { showing = next; show(); }
  }
  if (gallery) {
    byId("rule").append(...data.rules.map((rule, number) => make("option", { value: number, textContent: rule.name })));
    byId("cut").addEventListener("submit", (event) => event.preventDefault());
    byId("cut").addEventListener("input", (event) => {
      const value = Number(event.target.value);
      const { id } = event.target;
      if (id === "rule") Object.assign(cut, { rule: value, theta: data.rules[value].theta, percentile: data.rules[value].start });
      else if (id !== "opacity") cut[id] = value;
      if (id !== "opacity") cut.own = false;
      redraw();
    });
    byId("back").addEventListener("click", () => { cut.own = true; show(); });
    byId("previous").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
    byId("close").addEventListener("click", () => view.close());
    view.addEventListener("click", (event) => { if (event.target === view) view.close(); });
    view.addEventListener("close", () => moveTo(showing));
    view.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by || event.target.matches("input, select")) return;
      event.preventDefault();
      step(by);
    });
  }

  choose(sections.some((section) => `#${section.id}` === location.hash) ? location.hash.slice(1) : "pictures", false);
  if (gallery) {
    sift();
    // maps and pictures of the first cards may still have been on their way
    addEventListener("DOMContentLoaded", () => { cards.clear(); gallery.replaceChildren(); layOut(); });
  }
})();
