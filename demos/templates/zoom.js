// The viewer of a map of photos. zoomData (data.js) holds the names, classes and places; the tiles hold the pictures.
// Lengths in the map are pixels of the last level of tiles. screen = offset + zoom * map.
"use strict";
const zoomNeighbours = {};  // number of a chunk -> the neighbours of its photos; filled by neighbours_N.js
(() => {
  const data = zoomData, count = data.names.length, cell = data.cell, last = data.levels - 1;
  const element = id => document.getElementById(id);
  const texts = JSON.parse(element("texts").textContent);  // {English sentence: translation}
  const t = (sentence, values = {}) =>
    (texts[sentence] ?? sentence).replaceAll(/\{(\w+)\}/g, (field, name) => values[name] ?? field);
  const view = element("view"), canvas = element("map"), tip = element("tip"), side = element("side");
  const context = canvas.getContext("2d");
  const width = data.columns * cell, height = data.rows * cell;
  const FREE = 2;      // the map with t-SNE's positions is larger than the grid by this factor
  const LARGEST = 256; // pixels of a photo on the screen, at most
  const photoAt = new Int32Array(data.rows * data.columns).fill(-1);
  data.cells.forEach((place, n) => { photoAt[place] = n; });

  let zoom = 1, left = 0, top_ = 0;      // the transform
  let blend = 0, target = 0;             // 0: the grid, 1: t-SNE's positions, between: on the way
  let found = null;                      // which photos the search has found, or null
  let current = -1, opened = -1;         // the photo under the pointer or chosen by keys, and the one in the side bar
  let frame = 0, moved = false;

  const column = n => data.cells[n] % data.columns, row = n => Math.floor(data.cells[n] / data.columns);
  const mix = (a, b) => a + (b - a) * blend;
  const placeX = n => mix(column(n) * cell, data.x[n] / (data.steps - 1) * (FREE * width - cell));
  const placeY = n => mix(row(n) * cell, data.y[n] / (data.steps - 1) * (FREE * height - cell));
  const mapWidth = () => width * mix(1, FREE), mapHeight = () => height * mix(1, FREE);
  const className = n => data.labels[n] < 0 ? "" : data.classes[data.labels[n]];

  // ---- tiles ----

  const tiles = new Map();  // in the order of their last use
  const MOST_TILES = 300;

  function tile(level, x, y, wanted) {
    const key = `${level}_${x}_${y}`;
    let image = tiles.get(key);
    if (image) tiles.delete(key);
    else if (!wanted) return null;
    else {
      image = new Image();
      image.onload = image.onerror = schedule;
      image.src = `${data.folder}/tiles/${key}.jpg`;
    }
    tiles.set(key, image);
    if (tiles.size > MOST_TILES) tiles.delete(tiles.keys().next().value);
    return image;
  }

  // Draw a photo from its tile of this level, or of the next coarser level that has been loaded.
  function drawPhoto(n, level, x, y, w, h) {
    for (let at = level; at >= 0; at--) {
      const size = cell / 2 ** (last - at), across = data.side / cell * 2 ** (last - at);
      const tx = Math.floor(column(n) / across), ty = Math.floor(row(n) / across);
      const image = tile(at, tx, ty, at === level);
      if (image && image.complete && image.naturalWidth) {
        context.drawImage(image, (column(n) - tx * across) * size, (row(n) - ty * across) * size, size, size, x, y, w, h);
        return at === level;
      }
      if (image && image.complete && at === level) continue;  // the file is missing: a coarser one has to do
    }
    context.fillRect(x, y, w, h);
    return false;
  }

  // ---- drawing ----

  function schedule() {
    if (!frame) frame = requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    const ratio = devicePixelRatio || 1, W = view.clientWidth, H = view.clientHeight;
    if (canvas.width !== Math.round(W * ratio) || canvas.height !== Math.round(H * ratio)) {
      canvas.width = Math.round(W * ratio);
      canvas.height = Math.round(H * ratio);
    }
    if (!moved) fit();
    const style = getComputedStyle(document.body);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue("--ground");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = style.getPropertyValue("--line");
    const level = Math.min(last, Math.max(0, last + Math.ceil(Math.log2(zoom * ratio) - 0.35)));
    let complete = true;
    for (const hit of found ? [0, 1] : [1]) {  // what was found lies over the rest
      context.globalAlpha = hit ? 1 : 0.12;
      for (let n = 0; n < count; n++) {
        if (found && found[n] !== hit) continue;
        const x = Math.round((left + zoom * placeX(n)) * ratio), y = Math.round((top_ + zoom * placeY(n)) * ratio);
        const right = Math.round((left + zoom * (placeX(n) + cell)) * ratio);
        const bottom = Math.round((top_ + zoom * (placeY(n) + cell)) * ratio);
        if (right <= 0 || bottom <= 0 || x >= canvas.width || y >= canvas.height) continue;
        complete = drawPhoto(n, level, x, y, right - x, bottom - y) && complete;
      }
    }
    context.globalAlpha = 1;
    for (const n of [opened, current]) if (n >= 0) outline(n, style.getPropertyValue("--mark"), ratio);
    animate();
    if (complete) document.documentElement.dataset.ready = "yes";
  }

  function outline(n, colour, ratio) {
    const wide = Math.max(2, Math.min(4, zoom * cell / 10)) * ratio, size = Math.max(zoom * cell, 6) * ratio;
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.strokeRect((left + zoom * placeX(n)) * ratio - wide / 2, (top_ + zoom * placeY(n)) * ratio - wide / 2,
                       size + wide, size + wide);
  }

  function animate() {
    if (blend === target) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    blend = still || Math.abs(target - blend) < 0.09 ? target : blend + Math.sign(target - blend) * 0.08;
    schedule();
  }

  // ---- the transform ----

  const smallest = () => Math.min(view.clientWidth / mapWidth(), view.clientHeight / mapHeight()) * 0.98;

  function fit() {
    zoom = smallest();
    left = (view.clientWidth - mapWidth() * zoom) / 2;
    top_ = (view.clientHeight - mapHeight() * zoom) / 2;
  }

  function showAll() {
    moved = false;
    schedule();
  }

  function keepInView() {  // a margin of the map always stays visible
    const margin = 60;
    left = Math.min(Math.max(left, margin - mapWidth() * zoom), view.clientWidth - margin);
    top_ = Math.min(Math.max(top_, margin - mapHeight() * zoom), view.clientHeight - margin);
    moved = true;
    schedule();
  }

  function zoomTo(next, x = view.clientWidth / 2, y = view.clientHeight / 2) {  // (x, y) stays in place
    next = Math.min(Math.max(next, smallest() / 2), Math.max(LARGEST / cell, smallest()));
    left = x - (x - left) * next / zoom;
    top_ = y - (y - top_) * next / zoom;
    zoom = next;
    keepInView();
  }

  function move(x, y) {
    left += x;
    top_ += y;
    keepInView();
  }

  // ---- the photo under the pointer or chosen by keys ----

  function photoUnder(x, y) {
    const mx = (x - left) / zoom, my = (y - top_) / zoom;
    if (blend === 0) {
      const c = Math.floor(mx / cell), r = Math.floor(my / cell);
      return c >= 0 && r >= 0 && c < data.columns && r < data.rows ? photoAt[r * data.columns + c] : -1;
    }
    for (const hit of found ? [1, 0] : [1])  // the last one drawn lies on top
      for (let n = count - 1; n >= 0; n--)
        if ((!found || found[n] === hit) && mx >= placeX(n) && mx < placeX(n) + cell && my >= placeY(n) &&
            my < placeY(n) + cell) return n;
    return -1;
  }

  function describe(n) {
    return className(n) ? `${data.names[n]}, ${className(n)}` : data.names[n];
  }

  function choose(n) {
    if (n !== current) {
      current = n;
      if (n >= 0) element("status").textContent = describe(n);
      schedule();
    }
    tip.hidden = n < 0;
    if (n < 0) return;
    tip.textContent = describe(n);
    const x = left + zoom * (placeX(n) + cell) + 8, y = top_ + zoom * placeY(n);
    tip.style.left = `${x + tip.offsetWidth > view.clientWidth ? Math.max(0, x - 16 - zoom * cell - tip.offsetWidth) : x}px`;
    tip.style.top = `${Math.max(0, Math.min(y, view.clientHeight - tip.offsetHeight))}px`;
  }

  function step(dx, dy) {  // to the nearest photo in this direction
    const from = current < 0 ? [(view.clientWidth / 2 - left) / zoom, (view.clientHeight / 2 - top_) / zoom]
      : [placeX(current), placeY(current)];
    let best = -1, least = Infinity;
    for (let n = 0; n < count; n++) {
      if (n === current || found && !found[n]) continue;
      const x = placeX(n) - from[0], y = placeY(n) - from[1];
      const along = dx * x + dy * y, across = Math.abs(dx * y) + Math.abs(dy * x);
      const length = current < 0 ? Math.hypot(x, y) : along > 0 && across <= along ? along + 2 * across : Infinity;
      if (length < least) [best, least] = [n, length];
    }
    if (best >= 0) reveal(best);
  }

  function reveal(n) {  // move the map until the photo is in view
    if (!moved) {  // the whole map is
      draw();
      choose(n);
      return;
    }
    const x = left + zoom * placeX(n), y = top_ + zoom * placeY(n), size = zoom * cell, margin = size + 20;
    move(Math.max(0, margin - x) - Math.max(0, x + size + margin - view.clientWidth),
         Math.max(0, margin - y) - Math.max(0, y + size + margin - view.clientHeight));
    choose(n);
  }

  // ---- neighbours ----

  function thumbnail(n, scale) {
    const across = data.side / cell, tx = Math.floor(column(n) / across), ty = Math.floor(row(n) / across);
    const picture = document.createElement("span");
    picture.className = "thumb";
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", t("photo {name}", {name: describe(n)}));
    picture.style.cssText = `width:${cell * scale}px;height:${cell * scale}px;background-image:url("${data.folder}/tiles/` +
      `${last}_${tx}_${ty}.jpg");background-size:${data.side * scale}px;background-position:` +
      `${-(column(n) - tx * across) * cell * scale}px ${-(row(n) - ty * across) * cell * scale}px`;
    return picture;
  }

  function add(parent, tag, text = "") {
    const child = parent.appendChild(document.createElement(tag));
    child.textContent = text;
    return child;
  }

  function open(n) {
    if (n < 0) return;
    opened = n;
    side.hidden = false;
    side.replaceChildren();
    const chosen = add(side, "div"), words = document.createElement("div");
    chosen.className = "chosen";
    chosen.append(thumbnail(n, Math.max(1, Math.min(3, 128 / cell))), words);
    add(words, "h2", data.names[n]);
    add(words, "p", className(n) || t("no class"));
    add(chosen, "button", t("close")).addEventListener("click", closeSide);
    const list = document.createElement("ol");
    const line = add(side, "p", t("Its neighbours are loading."));
    side.append(list);
    side.scrollTop = 0;
    const chunk = Math.floor(n / data.chunk);
    const show = () => {
      if (opened !== n) return;
      const near = (zoomNeighbours[chunk] || [])[n % data.chunk];
      line.textContent = near ? t("Nearest by the activations of {layer}, the nearest first:", data)
        : t("The file {file} is missing beside this page.", {file: `neighbours_${chunk}.js`});
      for (const other of near || []) {
        const button = add(list.appendChild(document.createElement("li")), "button");
        button.append(thumbnail(other, Math.min(1, 72 / cell)));
        add(button, "span", describe(other));
        button.setAttribute("aria-label", describe(other));
        button.addEventListener("click", () => { open(other); reveal(other); side.focus(); });
      }
    };
    if (zoomNeighbours[chunk]) show();
    else {
      const script = document.createElement("script");
      script.onload = script.onerror = show;
      script.src = `${data.folder}/neighbours_${chunk}.js`;
      document.body.append(script);
    }
    requestAnimationFrame(() => reveal(n));  // the side bar has made the map smaller
  }

  function closeSide() {
    opened = -1;
    side.hidden = true;
    canvas.focus();
    schedule();
  }

  // ---- search ----

  function search(text) {
    const words = text.trim().toLowerCase();
    found = null;
    if (words) {
      const classes = data.classes.map(name => name.toLowerCase());
      const exact = classes.indexOf(words), hits = classes.map((name, n) => exact < 0 ? name.includes(words) : n === exact);
      const byClass = hits.includes(true);
      found = Uint8Array.from(data.names, (name, n) =>
        byClass ? data.labels[n] >= 0 && hits[data.labels[n]] : name.toLowerCase().includes(words));
      const total = found.reduce((sum, hit) => sum + hit, 0), names = data.classes.filter((name, n) => hits[n]);
      const said = t("{found} of {count} photos", {found: total.toLocaleString("en"), count: count.toLocaleString("en")});
      const more = names.length > 3 ? t(" and {count} more classes", {count: names.length - 3}) : "";
      element("status").textContent = byClass ? `${said}: ${names.slice(0, 3).join("; ")}${more}` : said;
    } else element("status").textContent = "";
    choose(-1);
    schedule();
  }

  function showFound() {  // zoom to what the search has found
    const hits = found ? [...found.keys()].filter(n => found[n]) : [];
    if (!hits.length) return;
    const xs = hits.map(placeX), ys = hits.map(placeY), low = [Math.min(...xs), Math.min(...ys)];
    const size = [Math.max(...xs) - low[0] + cell, Math.max(...ys) - low[1] + cell];
    zoom = Math.min(0.9 * view.clientWidth / size[0], 0.9 * view.clientHeight / size[1], LARGEST / cell);
    left = (view.clientWidth - size[0] * zoom) / 2 - low[0] * zoom;
    top_ = (view.clientHeight - size[1] * zoom) / 2 - low[1] * zoom;
    keepInView();
  }

  function layOut(place) {
    target = place;
    element("grid").setAttribute("aria-pressed", String(place === 0));
    element("free").setAttribute("aria-pressed", String(place === 1));
    choose(-1);
    showAll();
  }

  // ---- input ----

  const pointers = new Map();
  let travelled = 0;
  const place = event => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;  // Firefox counts lines, other browsers pixels
    const amount = Math.max(-200, Math.min(200, lines * event.deltaY));
    zoomTo(zoom * Math.exp(-0.002 * (event.ctrlKey ? 4 : 1) * amount), ...place(event));  // a trackpad's pinch has ctrlKey
    choose(photoUnder(...place(event)));
  }, {passive: false});
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 1) travelled = 0;
    canvas.className = "held";
  });
  canvas.addEventListener("pointermove", event => {
    const now = place(event), before = pointers.get(event.pointerId);
    if (!before) {
      choose(photoUnder(...now));
      return;
    }
    const other = [...pointers].find(([id]) => id !== event.pointerId);
    if (other) {  // two fingers: their distance is the zoom
      const [x, y] = other[1], ratio = Math.hypot(now[0] - x, now[1] - y) / Math.max(1, Math.hypot(before[0] - x, before[1] - y));
      zoomTo(zoom * ratio, (now[0] + x) / 2, (now[1] + y) / 2);
      travelled += 100;
    }
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (travelled > 6) {
      const share = other ? 0.5 : 1;
      move(share * (now[0] - before[0]), share * (now[1] - before[1]));
      choose(-1);
    }
    pointers.set(event.pointerId, now);
  });
  canvas.addEventListener("pointerup", event => {
    if (pointers.size === 1 && travelled <= 6) {
      choose(photoUnder(...place(event)));
      open(current);
    }
    pointers.delete(event.pointerId);
    if (!pointers.size) canvas.className = "";
  });
  canvas.addEventListener("pointercancel", event => {
    pointers.delete(event.pointerId);
    if (!pointers.size) canvas.className = "";
  });
  canvas.addEventListener("pointerleave", () => choose(-1));

  const zooms = {"+": () => zoomTo(1.25 * zoom), "=": () => zoomTo(1.25 * zoom), "-": () => zoomTo(zoom / 1.25), "0": showAll};
  const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && !side.hidden) closeSide();
    else if (event.target === element("search")) {
      if (event.key === "Enter") showFound();
    } else if (event.key in zooms) {
      event.preventDefault();
      zooms[event.key]();
    } else if (event.target === canvas && event.key in steps) {
      event.preventDefault();
      step(...steps[event.key]);
    } else if (event.target === canvas && event.key === "Enter") {
      open(current);
      side.focus();
    }
  });
  canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible") && current < 0) step(0, 0); });
  element("in").addEventListener("click", zooms["+"]);
  element("out").addEventListener("click", zooms["-"]);
  element("all").addEventListener("click", showAll);
  element("grid").addEventListener("click", () => layOut(0));
  element("free").addEventListener("click", () => layOut(1));
  element("search").addEventListener("input", event => search(event.target.value));
  new ResizeObserver(schedule).observe(view);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);
  schedule();
})();
