"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const WIDTH = 900, HEIGHT = 380, LEFT = 64, RIGHT = 16, TOP = 22, BOTTOM = 46;
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6a51a3", "#555555"];
  const MARK = "#404040";

  const text = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size < 1e-4 || size >= 1e5 ? value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e")
                                      : String(Number(value.toPrecision(3)));
  };

  const element = (name, attributes, parent) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (parent) parent.appendChild(made);
    return made;
  };

  const linearTicks = (low, high) => {
    const span = high - low || 1, rough = span / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => span / each <= 6);
    const ticks = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) ticks.push(Number(at.toPrecision(12)));
    return ticks;
  };

  const logTicks = (low, high) => {
    const ticks = [];
    const within = high - low < 1.6 ? [1, 2, 5] : [1];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++)
      for (const digit of within) {
        const at = Math.log10(digit) + power;
        if (at >= low && at <= high) ticks.push(at);
      }
    const every = Math.ceil(ticks.length / 9);
    const found = ticks.filter((_, index) => index % every === 0);
    return found.length > 1 ? found : linearTicks(low, high);
  };

  // The lines say how high it goes; single batches and a divergence would press them flat.
  const heights = (series) => {
    const lines = series.filter((each) => each.joined && each.points.length);
    const shown = lines.length ? lines : series;
    const firsts = shown.map((each) => each.points[0][1]);
    const all = shown.flatMap((each) => each.points.map((point) => point[1]));
    const marks = series.filter((each) => each.marked).flatMap((each) => each.points.map((point) => point[1]));
    const low = Math.min(...all, ...marks), start = Math.max(...firsts), most = Math.max(...all);
    const room = (start - low || Math.abs(low) || 1) * (all.length > 100 ? 0.35 : 2);
    return [low - 0.06 * (Math.min(most, start + room) - low || 1), Math.min(most, start + room) + 0.02 * room];
  };

  const draw = (figure) => {
    const chart = JSON.parse(figure.querySelector("script").textContent);
    const series = chart.series.filter((each) => each.points.length);
    const place = figure.querySelector(".drawing");
    if (!series.length) { place.textContent = "Nothing finite was measured."; return; }
    const across = (x) => (chart.log ? Math.log10(x) : x), back = (x) => (chart.log ? 10 ** x : x);
    const xs = series.flatMap((each) => each.points.map((point) => across(point[0])));
    let least = Math.min(...xs), most = Math.max(...xs);
    if (least === most) { least -= 0.5; most += 0.5; }
    const whole = [least - 0.02 * (most - least), most + 0.02 * (most - least)];
    let view = [...whole];
    const [low, high] = heights(series);
    const toX = (x) => LEFT + (x - view[0]) / (view[1] - view[0]) * (WIDTH - LEFT - RIGHT);
    const toY = (y) => HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, place);
    const name = "frame" + Math.random().toString(36).slice(2);
    const clip = element("clipPath", { id: name }, element("defs", {}, svg));
    element("rect", { x: LEFT, y: TOP, width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM }, clip);
    const axes = element("g", {}, svg), inside = element("g", { "clip-path": `url(#${name})` }, svg);
    const pointer = element("g", { class: "pointer" }, svg);
    const lines = series.filter((each) => each.joined);
    const colour = (each) => {
      const at = Math.max(lines.indexOf(each), 0);
      if (lines.length <= COLOURS.length) return COLOURS[at];
      return `hsl(${Math.round((360 * at) / lines.length)}, 75%, ${at % 2 ? 30 : 45}%)`;
    };

    const label = (words, x, y, anchor, parent = axes) => {
      const made = element("text", { x, y, "text-anchor": anchor }, parent);
      made.textContent = words;
      return made;
    };

    const render = () => {
      axes.replaceChildren(); inside.replaceChildren(); pointer.replaceChildren();
      const bottom = HEIGHT - BOTTOM;
      element("path", { d: `M${LEFT},${TOP}V${bottom}H${WIDTH - RIGHT}`, fill: "none", stroke: "#333" }, axes);
      for (const at of chart.log ? logTicks(...view) : linearTicks(...view)) {
        element("path", { d: `M${toX(at)},${bottom}v5`, stroke: "#333" }, axes);
        label(text(back(at)), toX(at), bottom + 18, "middle");
      }
      for (const at of linearTicks(low, high)) {
        element("path", { d: `M${LEFT},${toY(at)}h-5`, stroke: "#333" }, axes);
        label(text(at), LEFT - 9, toY(at) + 4, "end");
      }
      label(chart.x, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle");
      const upright = label(chart.y, 0, 0, "middle");
      upright.setAttribute("transform", `translate(14 ${(TOP + bottom) / 2}) rotate(-90)`);
      if (chart.mark) {
        const [from, rate, to] = chart.mark.map((each) => toX(across(each)));
        element("rect", { class: "bracket", x: Math.min(from, to), y: TOP, width: Math.abs(to - from), height: bottom - TOP,
                          fill: "#d9efe6" }, inside);
        element("path", { class: "suggestion", d: `M${rate},${TOP}V${bottom}`, stroke: "#b64600", "stroke-width": 2 }, inside);
        if (rate > LEFT && rate < WIDTH - RIGHT) label(`suggested ${text(chart.mark[1])}`, rate, TOP - 7, "middle");
      }
      for (const each of series) {
        const at = each.points.map(([x, y]) => [toX(across(x)), toY(y)]);
        if (each.joined) {
          const path = at.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
          element("path", { class: "line", d: path, fill: "none", stroke: colour(each), "stroke-width": 1.8 }, inside);
        } else if (each.marked) {
          for (const [x, y] of at) element("path", { class: "mark", d: `M${x.toFixed(1)},${y.toFixed(1)}m0,-5l5,5l-5,5l-5,-5z`, fill: MARK }, inside);
        } else {
          for (const [x, y] of at) element("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 1.7, fill: "#56b4e9", "fill-opacity": 0.6 }, inside);
        }
      }
    };

    const whereIs = (event) => {
      const box = svg.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width * WIDTH, (event.clientY - box.top) / box.height * HEIGHT];
    };

    const nearest = (x, y) => {
      let best = null;
      for (const each of series)
        for (const point of each.points) {
          const px = toX(across(point[0])), py = toY(point[1]);
          if (px < LEFT || px > WIDTH - RIGHT || py < TOP - 1 || py > HEIGHT - BOTTOM + 1) continue;
          const far = (px - x) ** 2 + (py - y) ** 2;
          if (!best || far < best.far) best = { far, px, py, each, point };
        }
      return best;
    };

    let grabbed = null;
    svg.addEventListener("pointerdown", (event) => { grabbed = { at: whereIs(event)[0], view: [...view] }; svg.setPointerCapture(event.pointerId); });
    svg.addEventListener("pointerup", () => { grabbed = null; });
    svg.addEventListener("pointerleave", () => pointer.replaceChildren());
    svg.addEventListener("pointermove", (event) => {
      const [x, y] = whereIs(event);
      if (grabbed) {
        const moved = (x - grabbed.at) / (WIDTH - LEFT - RIGHT) * (grabbed.view[1] - grabbed.view[0]);
        view = [grabbed.view[0] - moved, grabbed.view[1] - moved];
        render();
        return;
      }
      pointer.replaceChildren();
      const found = nearest(x, y);
      if (!found) return;
      element("circle", { cx: found.px, cy: found.py, r: 4, fill: "none", stroke: "#000" }, pointer);
      const words = `${found.each.name}: ${chart.x} ${text(found.point[0])}, ${text(found.point[1])}`;
      const right = found.px > WIDTH * 0.6;
      const told = label(words, found.px + (right ? -9 : 9), Math.max(found.py - 8, TOP + 10), right ? "end" : "start", pointer);
      told.setAttribute("paint-order", "stroke");
      told.setAttribute("stroke", "#fff");
      told.setAttribute("stroke-width", "4");
    });
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const at = view[0] + (whereIs(event)[0] - LEFT) / (WIDTH - LEFT - RIGHT) * (view[1] - view[0]);
      const factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300)));
      const span = Math.min((view[1] - view[0]) * factor, whole[1] - whole[0]);
      if (span < (whole[1] - whole[0]) / 500) return;
      const share = (at - view[0]) / (view[1] - view[0]);
      view = [at - share * span, at + (1 - share) * span];
      render();
    }, { passive: false });
    svg.addEventListener("dblclick", () => { view = [...whole]; render(); });

    const marked = series.filter((each) => each.marked);
    if (lines.length > 1 || marked.length) {
      const legend = document.createElement("div");
      legend.className = "legend";
      for (const each of lines.slice(0, 16)) {
        const entry = document.createElement("span");
        entry.textContent = "\u25ac " + each.name;
        entry.style.color = colour(each);
        legend.appendChild(entry);
      }
      for (const each of marked) {
        const entry = document.createElement("span");
        entry.textContent = "\u25c6 " + each.name;
        entry.style.color = MARK;
        legend.appendChild(entry);
      }
      place.appendChild(legend);
    }
    render();
  };

  const sortable = (table) => {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => head.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const number = head.classList.contains("number");
      const value = (row) => row.cells[column].dataset.value;
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "") ;  // what is not known stands last
        const found = number ? Number(x) - Number(y) : x.localeCompare(y);
        return falling ? -found : found;
      };
      body.replaceChildren(...[...body.rows].sort(order));
    }));
  };

  document.querySelectorAll("figure.chart").forEach(draw);
  document.querySelectorAll("#overview").forEach(sortable);
})();
