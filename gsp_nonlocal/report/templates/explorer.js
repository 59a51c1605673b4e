"use strict";
// Shows rows of a graph over an image: two panes, one position. Everything it draws is in #explorer-data.
(() => {
  const root = document.getElementById("explorer");
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const KEYS = ["path", "snapshot", "graph"];
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const MIDDLE = { frame: 0.5, down: 0.5, across: 0.5 };
  const QUIET = 250; // milliseconds without a change until it is read aloud

  // place: where was asked, as parts of the frames, the height and the width of a map, so that it means the same in
  // blocks of other sizes. token: number of a node that is no position, or null. query: of cross-attention,
  // by its number from 1, so that it means the same where fewer of them are kept.
  const state = { image: 0, place: MIDDLE, token: null, query: 1 };
  const find = (element, name) => element.querySelector(`.explorer-${name}`);
  const panes = [...root.querySelectorAll(".explorer-pane")].map(makePane);
  const atlases = new Map();
  let announcement = 0;

  start();

  function start() {
    chooseFirstViews();
    fillThumbs();
    panes.forEach(listen);
    find(root, "overlay").addEventListener("input", showOverlay);
    window.addEventListener("resize", () => panes.forEach(sharpen));
    find(root, "app").hidden = false;
    showOverlay();
    show();
  }

  function makePane(element) {
    const selects = Object.fromEntries(KEYS.map((key) => [key, element.querySelector(`[data-key=${key}] select`)]));
    return {
      element, selects, view: null, wanted: null,
      name: find(element, "name").textContent,
      stage: find(element, "stage"), photo: find(element, "photo"), map: find(element, "map"),
      canvas: element.querySelector("canvas"), mark: find(element, "mark"), peak: find(element, "peak"),
    };
  }

  // ---- which views: the selects of a pane depend on each other from left to right

  function chooseFirstViews() {
    const first = tellingRows();
    first.forEach(({ view }, place) => choose(panes[place], view));
    const best = [...first].sort((one, other) => other.departure - one.departure);
    state.image = best[0].image;
    best.reverse().forEach(openOn);
    panes[1].element.hidden = data.views.length === 1;
    for (const both of root.querySelectorAll("[data-panes='2']")) both.hidden = data.views.length === 1;
    for (const part of root.querySelectorAll("[data-joins]")) part.hidden = !data.views.some(isJoin);
    for (const key of KEYS) {
      const useless = new Set(data.views.map((view) => view[key])).size === 1 && !data.views[0][key];
      for (const pane of panes) pane.selects[key].parentElement.hidden = useless;
    }
  }

  function openOn({ view, tile }) {
    if (isJoin(view)) state.query = queryNumber(view, tile);
    else state.place = placeOf(view, positionOf(view, queryOf(view, tile)));
  }

  // Of the last time, the row that departs most from an even one, and that of another block; of one block the same
  // row at the first time, or that of another head.
  function tellingRows() {
    const last = data.views[data.views.length - 1];
    const rows = data.views.filter((view) => same(view, last, "snapshot")).map(tellingRow);
    const greatest = (found) => found.reduce((best, row) => (row.departure > best.departure ? row : best));
    const best = greatest(rows);
    const inOrder = (found) => found.sort((one, other) => rows.indexOf(one) - rows.indexOf(other));
    const elsewhere = rows.filter((row) => !same(row.view, best.view, "path"));
    if (elsewhere.length) return inOrder([best, greatest(elsewhere)]);
    const before = data.views.find((view) => ["path", "graph"].every((key) => same(view, best.view, key)));
    if (before !== best.view) return [{ ...best, view: before, departure: 0 }, best];
    const others = rows.filter((row) => row !== best);
    return inOrder([best, others.length ? greatest(others) : best]);
  }

  // The image and the tile of a view whose greatest weight is most times an even one.
  function tellingRow(view) {
    const best = { view, image: 0, tile: isJoin(view) ? 0 : tileAt(view, queryAt(view, MIDDLE)), departure: -1 };
    view.pictures.forEach((picture, image) => {
      for (let tile = 0; tile < (isJoin(view) ? view.tokens.length : keptPositions(view)); tile += 1) {
        const departure = times(picture, tile);
        if (departure > best.departure) Object.assign(best, { image, tile, departure });
      }
    });
    return best;
  }

  function times(picture, tile) {
    return Math.abs(picture.greatest[tile] || 0) / (picture.even[tile] ?? picture.even) || 0;
  }

  function same(view, other, key) {
    return view[key] === other[key];
  }

  function choose(pane, view) {
    pane.view = view;
    let left = data.views;
    for (const key of KEYS) {
      const values = [...new Set(left.map((other) => other[key]))];
      pane.selects[key].replaceChildren(...values.map((value) => new Option(value || unnamed(key), value)));
      pane.selects[key].value = view[key];
      pane.selects[key].disabled = values.length === 1;
      left = left.filter((other) => same(other, view, key));
    }
  }

  function unnamed(key) {
    return { path: "the model itself", snapshot: "now", graph: "one graph" }[key];
  }

  function names(view) {
    return KEYS.map((key) => view[key] || (key === "path" ? unnamed(key) : "")).filter(Boolean).join(" · ");
  }

  // The view that has the changed value, and of the other two as much as there is.
  function select(pane, changed) {
    const value = pane.selects[changed].value;
    const likeness = (view) => KEYS.reduce((sum, key, place) => sum + same(view, pane.view, key) * (4 >> place), 0);
    const fixed = KEYS.slice(0, KEYS.indexOf(changed));
    const able = data.views.filter((view) => view[changed] === value && fixed.every((key) => same(view, pane.view, key)));
    choose(pane, able.reduce((best, view) => (likeness(view) > likeness(best) ? view : best)));
    show();
  }

  // ---- where: positions of a view, and their tiles

  function frameGrid(view, [down, across]) {
    return [down / (view.grid[0] / view.columns), across / view.columns];
  }

  // Query i of `count` is at row ⌊(i + ½) size / count⌋ of `size`.
  function queryRow(index, count, size) {
    return Math.floor(((index + 0.5) * size) / count);
  }

  function nearestQuery(part, count, size) {
    const away = (index) => Math.abs(queryRow(index, count, size) - Math.floor(part * size));
    return Array.from({ length: count }, (_, index) => index).reduce((best, i) => (away(i) < away(best) ? i : best), 0);
  }

  function queryAt(view, place) {
    const [frames, height, width] = view.grid;
    const [down, across] = frameGrid(view, view.queries);
    return {
      frame: Math.min(frames - 1, Math.floor(place.frame * frames)),
      down: nearestQuery(place.down, down, height),
      across: nearestQuery(place.across, across, width),
    };
  }

  function positionOf(view, query) {
    const [down, across] = frameGrid(view, view.queries);
    return {
      frame: query.frame,
      row: queryRow(query.down, down, view.grid[1]),
      column: queryRow(query.across, across, view.grid[2]),
    };
  }

  function positionNumber(view, number) {
    const [, height, width] = view.grid;
    return { frame: Math.floor(number / (height * width)), row: Math.floor(number / width) % height, column: number % width };
  }

  function placeOf(view, { frame, row, column }) {
    const [frames, height, width] = view.grid;
    return { frame: (frame + 0.5) / frames, down: (row + 0.5) / height, across: (column + 0.5) / width };
  }

  function keptPositions(view) {
    return view.queries[0] * view.queries[1];
  }

  // Whether it is cross-attention: its queries are no positions of the map, and are chosen by their numbers.
  function isJoin(view) {
    return keptPositions(view) === 0;
  }

  // Of cross-attention the query that is asked, or the nearest that the page holds.
  function tokenOf(view) {
    if (!isJoin(view)) return state.token;
    const away = (token) => Math.abs(queryNumber(view, token) - state.query);
    return view.tokens.map((_, token) => token).reduce((best, token) => (away(token) < away(best) ? token : best), 0);
  }

  function queryNumber(view, token) {
    return Number(view.tokens[token].replace("query ", ""));
  }

  function hasToken(view) {
    return isJoin(view) || (state.token !== null && state.token < view.tokens.length);
  }

  // A text lies under a map of as many positions as it has words, and a picture under every map of its axes.
  function isOverlaid(view) {
    const { words } = Object.values(data.images[state.image])[0] || { words: [] };
    return view.overlaid && (words.length === 0 || words.length === view.grid[2]);
  }

  function tileOf(view) {
    return hasToken(view) ? keptPositions(view) + tokenOf(view) : tileAt(view, queryAt(view, state.place));
  }

  function tileAt(view, query) {
    const [down, across] = frameGrid(view, view.queries);
    return (query.frame * down + query.down) * across + query.across;
  }

  function queryOf(view, tile) {
    const [down, across] = frameGrid(view, view.queries);
    return { frame: Math.floor(tile / (down * across)), down: Math.floor(tile / across) % down, across: tile % across };
  }

  // ---- what the user does

  function listen(pane) {
    pane.stage.addEventListener("click", (event) => point(pane, event));
    pane.stage.addEventListener("keydown", (event) => press(pane, event));
    for (const key of KEYS) pane.selects[key].addEventListener("change", () => select(pane, key));
  }

  function point(pane, event) {
    const box = pane.map.getBoundingClientRect();
    const down = (event.clientY - box.top) / box.height;
    const across = (event.clientX - box.left) / box.width;
    const inside = down >= 0 && down <= 1 && across >= 0 && across <= 1;
    if (inside || pane.stage.classList.contains("aligned")) ask(montagePlace(pane.view, clamp(down), clamp(across)));
  }

  function clamp(part) {
    return Math.min(1 - 1e-9, Math.max(0, part));
  }

  function montagePlace(view, down, across) {
    const rows = view.grid[0] / view.columns;
    const frame = Math.floor(down * rows) * view.columns + Math.floor(across * view.columns);
    return { frame: (frame + 0.5) / view.grid[0], down: (down * rows) % 1, across: (across * view.columns) % 1 };
  }

  function press(pane, event) {
    if (event.altKey || event.metaKey) return;
    if (isJoin(pane.view)) return pressQuery(pane.view, event);
    const [rows, columns] = pane.view.queries;
    const [row, column] = montageQuery(pane.view);
    const far = event.ctrlKey;
    const moved = {
      Home: [far ? 0 : row, 0],
      End: [far ? rows - 1 : row, columns - 1],
      ...Object.fromEntries(Object.entries(STEPS).map(([key, [d, a]]) => [key, [row + d, column + a]])),
    }[event.key];
    if (!moved) return;
    event.preventDefault();
    const within = (index, count) => Math.min(count - 1, Math.max(0, index));
    ask(queryPlace(pane.view, within(moved[0], rows), within(moved[1], columns)));
  }

  function pressQuery(view, event) {
    const last = view.tokens.length - 1;
    const asked = tokenOf(view);
    const steps = Object.entries(STEPS).map(([key, [down, across]]) => [key, asked + down + across]);
    const moved = { Home: 0, End: last, ...Object.fromEntries(steps) }[event.key];
    if (moved === undefined) return;
    event.preventDefault();
    askQuery(queryNumber(view, Math.min(last, Math.max(0, moved))));
  }

  // The row and column, among all queries of the montage, of what is marked.
  function montageQuery(view) {
    const query = queryAt(view, state.place);
    const [down, across] = frameGrid(view, view.queries);
    return [Math.floor(query.frame / view.columns) * down + query.down, (query.frame % view.columns) * across + query.across];
  }

  function queryPlace(view, row, column) {
    const [down, across] = frameGrid(view, view.queries);
    const frame = Math.floor(row / down) * view.columns + Math.floor(column / across);
    return placeOf(view, positionOf(view, { frame, down: row % down, across: column % across }));
  }

  function ask(place) {
    state.place = place;
    state.token = null;
    show();
  }

  function askToken(token) {
    state.token = token;
    show();
  }

  function askQuery(query) {
    state.query = query;
    show();
  }

  // ---- what is shown

  function show() {
    for (const pane of panes) {
      showPhoto(pane);
      showTile(pane);
      showMarks(pane);
      showScale(pane);
      showTokens(pane);
      showNumbers(pane);
      find(pane.element, "note").textContent = pane.view.note;
      const shown = names(pane.view) + (data.images.length > 1 ? ` · image ${state.image + 1}` : "");
      find(pane.element, "chosen").textContent = shown; // for print, where the selects are not
      const moved = isJoin(pane.view) ? "change the query" : "move the position";
      pane.stage.setAttribute("aria-label", `Pane ${pane.name}: ${shown}. Arrow keys ${moved}.`);
    }
    [...find(root, "thumbs").children].forEach((thumb, image) => thumb.setAttribute("aria-pressed", image === state.image));
    clearTimeout(announcement);
    announcement = setTimeout(announce, QUIET);
  }

  function fillThumbs() {
    const thumbs = find(root, "thumbs");
    thumbs.hidden = data.images.length === 1;
    thumbs.append(...data.images.map((image, index) => thumb(Object.values(image)[0], index)));
  }

  function thumb(shown, index) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `Image ${index + 1}`);
    if (shown) button.append(Object.assign(new Image(), { src: shown.src, alt: "" }));
    else button.textContent = index + 1;
    button.addEventListener("click", () => {
      state.image = index;
      show();
    });
    return button;
  }

  // Up to the middle the map comes, and the image loses its colours to it; from there on the image goes.
  function showOverlay() {
    const part = root.querySelector("input[type=range]").value / 100;
    for (const pane of panes) {
      const over = pane.stage.classList.contains("over");
      pane.photo.style.opacity = over ? Math.min(1, 2 - 2 * part) : 1;
      pane.photo.style.filter = over ? `saturate(${Math.max(0.2, 1 - 1.6 * part)})` : "";
      pane.canvas.style.opacity = over ? Math.min(1, 2 * part) : 1;
    }
    find(root, "overlay").hidden = !panes.some((pane) => pane.stage.classList.contains("over"));
  }

  function showPhoto(pane) {
    const { view, stage, photo } = pane;
    const image = data.images[state.image];
    const shown = (isOverlaid(view) && image[view.grid[0]]) || Object.values(image)[0];
    const strip = view.grid[0] * view.grid[1] === 1;
    stage.classList.toggle("strip", strip);
    stage.classList.toggle("over", isOverlaid(view) && !strip && Boolean(shown));
    stage.classList.toggle("aligned", isOverlaid(view) && strip);
    stage.classList.toggle("montage", view.grid[0] > 1);
    stage.style.setProperty("--across", view.columns);
    stage.style.setProperty("--down", view.grid[0] / view.columns);
    stage.style.setProperty("--aspect", shown && isOverlaid(view) ? shown.aspect : view.targets[1] / view.targets[0]);
    photo.hidden = !shown;
    if (shown && photo.getAttribute("src") !== shown.src) photo.src = shown.src;
    photo.decode().catch(() => {}).then(() => photo.classList.toggle("coarse", photo.naturalWidth <= 64));
    showOverlay();
  }

  function showTile(pane) {
    const picture = pane.view.pictures[state.image];
    const atlas = decoded(picture.atlas);
    pane.wanted = atlas;
    delete pane.stage.dataset.drawn; // there only while the canvas shows what is asked
    const draw = () => pane.wanted === atlas && drawTile(pane, atlas, picture.columns);
    if (atlas.complete) draw();
    else atlas.addEventListener("load", draw, { once: true });
  }

  function decoded(address) {
    if (!atlases.has(address)) atlases.set(address, Object.assign(new Image(), { src: address }));
    return atlases.get(address);
  }

  function drawTile(pane, atlas, columns) {
    const [height, width] = pane.view.targets;
    const tile = tileOf(pane.view);
    pane.canvas.width = width; // also clears it
    pane.canvas.height = height;
    const pen = pane.canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(atlas, (tile % columns) * width, Math.floor(tile / columns) * height, width, height, 0, 0, width, height);
    pane.stage.dataset.drawn = tile;
    sharpen(pane);
  }

  // Cells larger than a pixel keep their edges; smaller ones are averaged by the browser instead of dropped.
  function sharpen(pane) {
    pane.canvas.classList.toggle("fine", pane.canvas.width > pane.canvas.clientWidth);
  }

  function showMarks(pane) {
    const { view } = pane;
    const tile = tileOf(view);
    const picture = view.pictures[state.image];
    if (!hasToken(view)) put(pane.mark, view, positionOf(view, queryAt(view, state.place)), true);
    put(pane.peak, view, positionNumber(view, picture.where[tile]), false);
    pane.mark.hidden = hasToken(view);
    pane.peak.hidden = !picture.greatest[tile];
  }

  function put(element, view, { frame, row, column }, sized) {
    const [frames, height, width] = view.grid;
    const rows = (frames / view.columns) * height;
    const columns = view.columns * width;
    const percent = (part) => `${100 * part}%`;
    element.style.top = percent((Math.floor(frame / view.columns) * height + row + 0.5) / rows);
    element.style.left = percent(((frame % view.columns) * width + column + 0.5) / columns);
    if (sized) Object.assign(element.style, { width: percent(1 / columns), height: percent(1 / rows) });
  }

  function showScale(pane) {
    const { signed } = pane.view.pictures[state.image];
    const ends = signed ? [`−${data.most} × even`, "0", `${data.most} × even`] : ["0", "even weight", `${data.most} × even`];
    [...find(pane.element, "scale").querySelectorAll("[data-end]")].forEach((end, place) => (end.textContent = ends[place]));
    const ramp = data.ramps[signed ? "signed" : "plain"];
    const neutral = ramp.findIndex((colour) => colour.endsWith("00"));
    const stops = ramp.map((colour, place) => {
      const part = place < neutral ? place / neutral / 2 : (1 + (place - neutral) / (ramp.length - 1 - neutral)) / 2;
      return `${colour} ${(100 * part).toFixed(1)}%`;
    });
    find(pane.element, "ramp").style.backgroundImage = `linear-gradient(90deg, ${stops.join(", ")})`;
  }

  function showTokens(pane) {
    const group = find(pane.element, "tokens");
    const { view } = pane;
    const wanted = view.tokens.join("\n");
    if (group.dataset.tokens !== wanted) {
      group.dataset.tokens = wanted;
      group.replaceChildren(...(isJoin(view) ? [queryChoice(view)] : view.tokens.map(tokenButton)));
      group.hidden = !wanted;
    }
    if (isJoin(view)) group.querySelector("select").value = queryNumber(view, tokenOf(view));
    else [...group.children].forEach((button, token) => button.setAttribute("aria-pressed", token === state.token));
  }

  function queryChoice(view) {
    const label = document.createElement("label");
    const choice = document.createElement("select");
    choice.append(...view.tokens.map((_, token) => new Option(queryNumber(view, token))));
    choice.addEventListener("change", () => askQuery(Number(choice.value)));
    label.append("Query ", choice);
    return label;
  }

  function tokenButton(name, token) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => askToken(state.token === token ? null : token));
    return button;
  }

  // ---- in words

  function showNumbers(pane) {
    find(pane.element, "numbers").replaceChildren(
      ...facts(pane.view).flatMap(([term, text]) => [
        Object.assign(document.createElement("dt"), { textContent: term }),
        Object.assign(document.createElement("dd"), { textContent: text }),
      ]),
    );
  }

  function announce() {
    const shown = panes.filter((pane) => !pane.element.hidden);
    find(root, "live").textContent = shown
      .map((pane) => `${shown.length > 1 ? `${pane.name}, ` : ""}${facts(pane.view).map(([term, text]) => `${term}: ${text}`).join("; ")}.`)
      .join(" ");
  }

  function facts(view) {
    const picture = view.pictures[state.image];
    const tile = tileOf(view);
    const greatest = picture.greatest[tile];
    const asked = hasToken(view) ? view.tokens[tokenOf(view)] : spell(view, positionOf(view, queryAt(view, state.place)));
    const said = [["chosen", asked + (hasToken(view) ? "" : ` of ${size(view)}`)]];
    if (state.token !== null && !hasToken(view)) said.push(["class token", "this block has none"]);
    if (greatest === null) return [...said, ["weights", "not finite: nothing is drawn"]];
    if (picture.spread[tile] === 0) return [...said, ["weights", `all 0: ${isJoin(view) ? "this query" : "this position"} collects nothing`]];
    const where = spell(view, positionNumber(view, picture.where[tile]));
    said.push(["greatest weight", `${number(greatest)} at ${where}: ${about(times(picture, tile))} times an even weight`]);
    said.push(["even weight", `${number(picture.even[tile] ?? picture.even)}, the same for all ${view.nodes} nodes`]);
    said.push(["collects from", spread(picture.spread[tile], view.nodes)]);
    if (picture.share.length) said.push([isJoin(view) || view.tokens.length > 1 ? "from tokens" : "from the class token", percent(picture.share[tile])]);
    return said;
  }

  function spread(count, nodes) {
    return count > 0.995 * nodes ? `all ${nodes} nodes, nearly evenly` : `about ${about(Math.max(1, count))} of ${nodes} nodes`;
  }

  // Two digits, or all of a whole number: 196.7 is not rounded to 200, which is more than there are nodes.
  function about(count) {
    return String(count < 10 ? Number(count.toPrecision(2)) : Math.round(count));
  }

  function spell(view, { frame, row, column }) {
    const word = isOverlaid(view) && Object.values(data.images[state.image])[0]?.words[column]; // of a text
    if (view.grid[0] * view.grid[1] === 1) return `position ${column + 1}${word ? ` “${word}”` : ""}`;
    return `${view.grid[0] > 1 ? `frame ${frame + 1}, ` : ""}row ${row + 1}, column ${column + 1}`;
  }

  function size(view) {
    return view.grid.slice(view.grid.findIndex((extent, place) => extent > 1 || place === 2)).join(" × ");
  }

  function number(value) {
    return String(Number(value.toPrecision(3))).replace(/-/g, "−");
  }

  function percent(part) {
    return part && part < 1e-4 ? "less than 0.01 %" : `${number(100 * part)} %`;
  }
})();
