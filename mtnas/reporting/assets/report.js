"use strict";
(() => {
  const values = JSON.parse(document.getElementById("values").textContent);
  const { about, space, rows, costs, objectives, budgets } = values;
  const by = (id) => document.getElementById(id);
  const count = rows.id.length;
  const every = [...Array(count).keys()];
  const state = { chosen: 0, limits: {}, sort: null, falling: false };

  // Texts -----------------------------------------------------------------------------------------------------------

  const letters = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  function human(value) {
    if (value === null || value === undefined) return "-";
    const rounded = Number(value.toPrecision(3));
    for (const [scale, letter] of letters) if (Math.abs(rounded) >= scale) return `${Number((rounded / scale).toPrecision(3))}${letter}`;
    return String(rounded);
  }
  const percent = (share) => (share === null || share === undefined ? "-" : `${(100 * share).toFixed(1)} %`);
  const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / Math.max(1, numbers.length);
  const palette = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a900", "#888888"];
  const isError = (cost) => cost.startsWith("error/");
  const signed = (value) => (value === null || value === undefined ? "-" : `${value < 0 ? "" : "+"}${(100 * value).toFixed(1)} %`);
  function treeText(leaders) {
    const separator = leaders[0].length > 10 ? "," : "";
    return leaders.map((row) => groupsOf(row).map((group) => group.join(separator)).join(".")).join("|");
  }
  function groupsOf(row) {
    const found = new Map();
    row.forEach((leader, task) => found.set(leader, [...(found.get(leader) ?? []), task]));
    return [...found.entries()].sort((a, b) => a[0] - b[0]).map((entry) => entry[1]);
  }
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }
  function table(target, heads, lines, classes = []) {
    const head = element("tr", {}, ...heads.map((text, place) => element("th", { class: classes[place] ?? "" }, text)));
    const body = lines.map((cells) => element("tr", {}, ...cells.map((cell, place) => element("td", { class: classes[place] ?? "" }, cell))));
    target.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  }

  // Colours ---------------------------------------------------------------------------------------------------------

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function layout(more = {}) {
    const axis = { gridcolor: style("--line"), zerolinecolor: style("--line"), linecolor: style("--faint"), automargin: true };
    const { xaxis = {}, yaxis = {}, ...rest } = more;
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: style("--ink"), size: 12 },
      margin: { l: 60, r: 20, t: 20, b: 45 }, hoverlabel: { align: "left" }, legend: { orientation: "h", y: -0.2 },
      xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
    };
  }
  // The value at every tick, such as 0.05: plotly writes only "5" between powers of ten.
  const logarithmic = { type: "log", tickformat: ",~r" };
  const config = { displaylogo: false, responsive: true, displayModeBar: false };
  const draw = (id, traces, more, bar = {}) => Plotly.react(id, traces, layout(more), { ...config, ...bar });

  // Limits ----------------------------------------------------------------------------------------------------------

  const limited = [...new Set([...objectives, ...Object.keys(budgets), "error/mean"])].filter((cost) => rows.values[cost]);
  const ends = (cost) => {
    const known = rows.values[cost].filter((value) => value !== null);
    return [Math.min(...known), Math.max(...known)];
  };
  const meets = (row) => limited.every((cost) => state.limits[cost] === undefined || rows.values[cost][row] <= state.limits[cost]);
  function makeLimits() {
    for (const cost of limited) {
      const [low, high] = ends(cost);
      const output = element("output", { id: `told-${cost}` });
      const slider = element("input", { type: "range", min: 0, max: 1000, value: 1000, "data-cost": cost, "aria-label": `most ${costs[cost]}` });
      slider.addEventListener("input", () => {
        if (slider.value === "1000") delete state.limits[cost];
        else state.limits[cost] = low + ((high - low) * slider.value) / 1000;
        update();
      });
      by("limits").append(element("label", {}, costs[cost], output, slider));
    }
  }
  function showLimits() {
    for (const slider of by("limits").querySelectorAll("input")) {
      const cost = slider.dataset.cost;
      const [low, high] = ends(cost);
      const limit = state.limits[cost];
      slider.value = limit === undefined ? 1000 : Math.round((1000 * (limit - low)) / (high - low || 1));
      by(`told-${cost}`).textContent = limit === undefined ? "any" : `≤ ${human(limit)}`;
    }
  }

  // Front -----------------------------------------------------------------------------------------------------------

  function frontMembers() {
    return every.filter((row) => rows.front[row] && meets(row));
  }
  const hover = (row) =>
    `<b>${rows.id[row]}</b>${rows.corner[row] ? ` ${rows.corner[row]}` : ""}<br>${treeText(rows.leaders[row])}<br>` +
    Object.keys(costs).map((cost) => `${costs[cost]}: ${human(rows.values[cost][row])}`).join("<br>");
  function points(name, which, marker) {
    const x = by("x").value, y = by("y").value;
    return {
      type: "scatter", mode: "markers", name, customdata: which, x: which.map((row) => rows.values[x][row]),
      y: which.map((row) => rows.values[y][row]), text: which.map(hover), hoverinfo: "text", marker,
    };
  }
  /** Rows that no other beats in both costs, by the first. */
  function staircase(which, first, second) {
    const found = [];
    for (const row of [...which].sort((a, b) => first[a] - first[b] || second[a] - second[b]))
      if (!found.length || second[row] < second[found.at(-1)]) found.push(row);
    return found;
  }
  function drawFront() {
    const x = by("x").value, y = by("y").value, colour = by("colour").value;
    const seen = every.filter(meets);
    const corners = seen.filter((row) => rows.corner[row]);
    const members = seen.filter((row) => rows.front[row] && !rows.corner[row]);
    const others = seen.filter((row) => !rows.front[row] && !rows.corner[row] && rows.feasible[row]);
    const over = seen.filter((row) => !rows.feasible[row] && !rows.corner[row]);
    const stairs = staircase(seen.filter((row) => rows.feasible[row]), rows.values[x], rows.values[y]);
    const scale = colour && { color: members.map((row) => rows.values[colour][row]), colorscale: "Cividis", showscale: true, colorbar: { title: { text: costs[colour], side: "right" } } };
    const traces = [
      points("over a budget", over, { color: style("--faint"), size: 6, symbol: "x-thin", line: { width: 1, color: style("--faint") } }),
      points("dominated", others, { color: style("--faint"), size: 6 }),
      { type: "scatter", mode: "lines", name: "front of these two", x: stairs.map((row) => rows.values[x][row]), y: stairs.map((row) => rows.values[y][row]), line: { shape: "hv", width: 1.5, color: style("--accent") }, hoverinfo: "skip" },
      points("front of all objectives", members, { color: style("--accent"), size: 9, line: { width: 1, color: style("--paper") }, ...scale }),
      points("corner networks", corners, { color: "#e69f00", size: 10, symbol: "diamond", line: { width: 1, color: style("--ink") } }),
      points("chosen", [state.chosen], { size: 17, color: "rgba(0,0,0,0)", line: { width: 2.5, color: style("--warn") } }),
    ].filter((trace) => trace.x.length);
    traces.at(-1).hoverinfo = "skip";
    const shapes = [[x, "x"], [y, "y"]].filter(([cost]) => budgets[cost] !== undefined).map(([cost, axis]) => ({
      type: "line", line: { dash: "dash", width: 1.5, color: style("--warn") }, xref: axis === "x" ? "x" : "paper", yref: axis === "x" ? "paper" : "y",
      x0: axis === "x" ? budgets[cost] : 0, x1: axis === "x" ? budgets[cost] : 1, y0: axis === "x" ? 0 : budgets[cost], y1: axis === "x" ? 1 : budgets[cost],
      label: { text: "budget", textposition: "end", font: { color: style("--warn") } },
    }));
    const scaling = by("logs").checked ? logarithmic : { type: "linear" };
    draw("front-plot", traces, {
      shapes, dragmode: "select", showlegend: true, uirevision: `${x} ${y} ${scaling.type}`,
      xaxis: { title: { text: costs[x] }, ...scaling }, yaxis: { title: { text: costs[y] }, ...scaling },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: style("--muted"), activecolor: style("--accent") },
    }, { displayModeBar: true, modeBarButtons: [["select2d", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]] });
  }
  function listenToFront() {
    by("front-plot").on("plotly_click", (event) => choose(event.points[0].customdata));
    by("front-plot").on("plotly_selected", (event) => {
      if (!event?.range) return;
      const logs = by("logs").checked;
      for (const axis of ["x", "y"]) {
        const far = Math.max(...event.range[axis]);
        state.limits[by(axis).value] = logs && event.range[axis].some((end) => end <= 0) ? 10 ** far : far;
      }
      for (const cost of Object.keys(state.limits)) if (!limited.includes(cost)) delete state.limits[cost];
      update();
    });
  }

  // One candidate ---------------------------------------------------------------------------------------------------

  function nodesOf(row) {
    const names = space.costs.names, leaders = rows.leaders[row], found = [];
    const shapes = leaders[0].map(() => 0);
    leaders.forEach((line, block) => {
      const before = [...shapes];
      groupsOf(line).forEach((group, place) => {
        const option = rows.options[row][block][place];
        const entering = before[group[0]];
        const amounts = Object.fromEntries(names.map((name, column) => [name, space.costs.options[block][entering][option][column]]));
        for (const task of group) shapes[task] = space.costs.leads_to[block][entering][option];
        found.push({ block, group, option: space.blocks[block].options[option], amounts, bits: rows.bits[row][block]?.[place] });
      });
    });
    const heads = shapes.map((shape, task) => Object.fromEntries(names.map((name, column) => [name, space.costs.heads[shape][task][column]])));
    const stem = Object.fromEntries(names.map((name, column) => [name, space.costs.stem[column]]));
    return { nodes: found, heads, stem };
  }
  function taskOrder(leaders) {
    const tasks = leaders[0].map((_, task) => task);
    return tasks.sort((a, b) => {
      for (const line of leaders) if (line[a] !== line[b]) return line[a] - line[b];
      return a - b;
    });
  }
  const SVG = "http://www.w3.org/2000/svg";
  function svg(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function drawTree() {
    const row = state.chosen, leaders = rows.leaders[row], cost = by("share").value;
    const { nodes, heads, stem } = nodesOf(row);
    const order = taskOrder(leaders), place = new Map(order.map((task, column) => [task, column]));
    const total = [stem, ...nodes.map((node) => node.amounts), ...heads].reduce((sum, one) => sum + one[cost], 0) || 1;
    const told = (amount) => `${human(amount)} · ${((100 * amount) / total).toFixed(0)} %`;
    const longest = Math.max(...space.tasks.map((name) => name.length), ...space.blocks.flatMap((b) => b.options.map((name) => name.length)), 14);
    const box = Math.min(230, 24 + 6.6 * longest), gap = 16, height = 46, pitch = 82, left = 20 + 7 * Math.max(6, ...space.blocks.map((b) => b.name.length));
    const layers = space.blocks.length + 2, width = left + order.length * (box + gap), drawn = svg("svg", { width, height: layers * pitch, role: "img" });
    drawn.append(svg("title", {}, `Tree ${treeText(leaders)}`));
    const middle = (group) => left + group.reduce((sum, task) => sum + (place.get(task) + 0.5) * (box + gap), 0) / group.length;
    const names = ["input", ...space.blocks.map((block) => block.name), "heads"];
    names.forEach((name, layer) => {
      if (layer % 2 === 0) drawn.append(svg("rect", { class: "layer", x: 0, y: layer * pitch, width, height: pitch }));
      drawn.append(svg("text", { class: "name", x: 10, y: (layer + 0.5) * pitch + 4 }, name));
    });
    const all = order.map((task) => task), spot = (group, layer) => ({ x: middle(group), y: (layer + 0.5) * pitch, group: order.filter((task) => group.includes(task)) });
    const strand = (spot, task) => spot.x + (spot.group.indexOf(task) - (spot.group.length - 1) / 2) * Math.min(5, box / spot.group.length);
    for (const task of order) {
      let above = spot(all, 0);
      for (let layer = 1; layer < layers; layer += 1) {
        const group = layer === layers - 1 ? [task] : all.filter((other) => leaders[layer - 1][other] === leaders[layer - 1][task]);
        const here = spot(group, layer), x0 = strand(above, task), x1 = strand(here, task), y0 = above.y + height / 2, y1 = here.y - height / 2, half = (y0 + y1) / 2;
        drawn.append(svg("path", { d: `M${x0},${y0} C${x0},${half} ${x1},${half} ${x1},${y1}`, fill: "none", stroke: space.colours[task], "stroke-width": 3 }));
        above = here;
      }
    }
    const put = (spot, first, second, title) => {
      const group = svg("g", {}), x = spot.x - box / 2, y = spot.y - height / 2;
      group.append(svg("title", {}, title), svg("rect", { class: "box", x, y, width: box, height, rx: 6 }));
      spot.group.forEach((task, number) => group.append(svg("rect", { x: x + 3 + (number * (box - 6)) / spot.group.length, y: y + height - 7, width: (box - 6) / spot.group.length, height: 4, fill: space.colours[task] })));
      const most = Math.floor((box - 10) / 6.4);
      group.append(svg("text", { x: spot.x, y: spot.y - 6, "text-anchor": "middle" }, first.length > most ? `${first.slice(0, most - 1)}…` : first));
      group.append(svg("text", { class: "small", x: spot.x, y: spot.y + 9, "text-anchor": "middle" }, second));
      drawn.append(group);
    };
    const full = (amounts) => space.costs.names.map((name) => `${costs[name] ?? name}: ${human(amounts[name])}`).join(", ");
    put(spot(all, 0), stem[cost] ? "stem" : "input", stem[cost] ? told(stem[cost]) : "", full(stem));
    for (const node of nodes) {
      const bits = node.bits && node.bits.some((count) => count !== 32) ? ` · ${node.bits[0] === node.bits[1] ? `${node.bits[0]} bit` : `W${node.bits[0]}A${node.bits[1]}`}` : "";
      const who = node.group.map((task) => space.tasks[task]).join(", ");
      put(spot(node.group, node.block + 1), node.option, told(node.amounts[cost]) + bits, `${space.blocks[node.block].name}, ${node.option}, for ${who}; ${full(node.amounts)}${bits}`);
    }
    for (const task of order) put(spot([task], layers - 1), space.tasks[task], told(heads[task][cost]), `head of ${space.tasks[task]}; ${full(heads[task])}`);
    by("tree").replaceChildren(drawn);
  }
  function choose(row) {
    state.chosen = row;
    showMember();
    drawFront();
    markRow();
  }
  function showMember() {
    const row = state.chosen;
    by("member-id").textContent = rows.id[row];
    const what = rows.front[row] ? "on the front" : rows.feasible[row] ? "dominated by others" : "over a budget";
    const gain = values.gains.length ? `; Delta_m ${signed(values.gains[row])}` : "";
    by("member-told").textContent = `row ${rows.number[row]}, ${what}${rows.corner[row] ? `, ${rows.corner[row]}` : ""}; tree ${treeText(rows.leaders[row])}${gain}`;
    const names = Object.keys(costs);
    table(by("member-costs"), names.map((cost) => costs[cost]), [names.map((cost) => human(rows.values[cost][row]))]);
    by("member-commands").replaceChildren("Take it further: ", element("code", {}, `mtnas refine RUN --candidate ${rows.id[row]}`), " ", element("code", {}, `mtnas export RUN --candidate ${rows.id[row]} --out DIRECTORY`));
    drawTree();
  }

  // Table -----------------------------------------------------------------------------------------------------------

  const columns = [
    { name: "id", of: (row) => rows.id[row], text: (row) => rows.id[row] },
    { name: "tree", of: (row) => treeText(rows.leaders[row]), text: (row) => treeText(rows.leaders[row]), kind: "text" },
    ...Object.keys(costs).map((cost) => ({ name: costs[cost], of: (row) => rows.values[cost][row], text: (row) => (isError(cost) ? rows.values[cost][row]?.toPrecision(3) ?? "-" : human(rows.values[cost][row])) })),
    ...(values.gains.length ? [{ name: "Delta_m", of: (row) => values.gains[row], text: (row) => signed(values.gains[row]) }] : []),
    ...(Object.keys(budgets).length ? [{ name: "budgets", of: (row) => Number(rows.feasible[row]), text: (row) => (rows.feasible[row] ? "met" : "exceeded"), kind: "text" }] : []),
  ];
  const MOST = 500;
  function showRows() {
    const kept = every.filter((row) => meets(row) && (by("every").checked || rows.front[row]));
    const column = columns[state.sort ?? columns.findIndex((one) => one.name === (costs["error/mean"] ?? costs[objectives[0]]))] ?? columns[0];
    kept.sort((a, b) => (column.of(a) < column.of(b) ? -1 : column.of(a) > column.of(b) ? 1 : a - b) * (state.falling ? -1 : 1));
    const head = element("tr", {}, ...columns.map((one, number) => {
      const button = element("button", { type: "button" }, one.name + (one === column ? (state.falling ? " ↓" : " ↑") : ""));
      button.addEventListener("click", () => {
        state.falling = one === column ? !state.falling : false;
        state.sort = number;
        showRows();
        by("rows").querySelectorAll("th button")[number].focus();
      });
      return element("th", { class: one.kind ?? "", "aria-sort": one === column ? (state.falling ? "descending" : "ascending") : "none" }, button);
    }));
    const body = kept.slice(0, MOST).map((row) => {
      const line = element("tr", { class: "row", tabindex: 0, "data-row": row }, ...columns.map((one) => element("td", { class: one.kind ?? "" }, one.text(row))));
      line.addEventListener("click", () => choose(row));
      line.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(row); }
      });
      return line;
    });
    by("rows").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
    const members = rows.front.filter(Boolean).length;
    by("count").textContent = `${kept.length} of ${by("every").checked ? count : members}` + (kept.length > MOST ? `, the first ${MOST} shown` : "");
    markRow();
  }
  function markRow() {
    for (const line of by("rows").querySelectorAll("tbody tr")) line.classList.toggle("chosen", Number(line.dataset.row) === state.chosen);
  }

  // Search and training ---------------------------------------------------------------------------------------------

  function drawSearch() {
    if (values.hypervolume.length) {
      draw("hypervolume", [{ type: "scatter", mode: "lines", x: every.map((row) => row + 1), y: values.hypervolume, line: { color: style("--accent"), shape: "hv" } }],
        { xaxis: { title: { text: "measured candidates" } }, yaxis: { title: { text: "share of the box below the reference" } } });
    } else by("hypervolume").textContent = "Its reference point is settled once all corner networks are measured.";
    const names = [...new Set(values.predictors.flatMap((report) => Object.keys(report.figures)))];
    if (names.length) {
      draw("predictors", names.map((name, number) => {
        const seen = values.predictors.filter((report) => report.figures[name]);
        return {
          type: "scatter", mode: "lines+markers", name: costs[name] ?? name, x: seen.map((report) => report.measured), y: seen.map((report) => report.figures[name].tau),
          text: seen.map((report) => { const f = report.figures[name]; return `${f.model}<br>tau ${f.tau.toFixed(2)}, MAPE ${f.mape?.toFixed(1) ?? "-"} %, coverage ${percent(f.coverage)} of 90 %${f.trusted ? "" : "<br>not trusted"}`; }),
          hoverinfo: "text+name", line: { color: palette[number % palette.length] },
          marker: { symbol: seen.map((report) => (report.figures[name].trusted ? "circle" : "circle-open")) },
        };
      }), { xaxis: { title: { text: "measured candidates" } }, yaxis: { title: { text: "Kendall's tau on held-out rows" } } });
    } else by("predictors").textContent = "No batch was planned with predictors.";
    const found = values.foreseen;
    by("foreseen-note").textContent = found.length
      ? `Predictors fit anew on the first ${found[0].known} rows, and the ${found[0].rows.length} rows that were measured after these, with intervals meant to hold 90 %. Costs that are computed are not among them.`
      : "There are too few rows to learn from some and foresee the others, or nothing had to be predicted.";
    if (by("foreseen").children.length !== found.length) by("foreseen").replaceChildren(...found.map((_, number) => element("div", { class: "plot small", id: `foreseen-${number}` })));
    found.forEach((one, number) => {
      const low = Math.min(...one.measured, ...one.predicted), high = Math.max(...one.measured, ...one.predicted);
      draw(`foreseen-${number}`, [
        { type: "scatter", mode: "lines", x: [low, high], y: [low, high], line: { dash: "dot", color: style("--faint") }, hoverinfo: "skip", showlegend: false },
        { type: "scatter", mode: "markers", x: one.predicted, y: one.measured, text: one.rows.map((row) => `row ${row}`), hoverinfo: "text+x+y", showlegend: false, marker: { color: style("--accent"), size: 6 },
          error_x: { type: "data", symmetric: false, array: one.high.map((end, i) => end - one.predicted[i]), arrayminus: one.low.map((end, i) => one.predicted[i] - end), color: style("--faint"), thickness: 1, width: 0 } },
      ], { margin: { l: 60, r: 20, t: 45, b: 45 }, title: { text: `${costs[one.cost]}: tau ${one.tau?.toFixed(2) ?? "-"}, ${percent(one.coverage)} inside<br>${one.model}`, font: { size: 12 } }, xaxis: { title: { text: "predicted" }, range: [low - 0.3 * (high - low), high + 0.5 * (high - low)] }, yaxis: { title: { text: "measured" } } });
    });
  }
  function drawTraining() {
    const { history, phases, branching } = values.training;
    if (history.length) {
      const bands = phases ? [[0, phases[0], "hard sharing"], [phases[0], phases[1], "parting"], [phases[1], phases[2], "all trees"]].filter(([begin, end]) => end > begin) : [];
      draw("losses", space.tasks.map((task, number) => ({ type: "scatter", mode: "lines", name: task, x: history.map((entry) => entry.epoch), y: history.map((entry) => entry.losses[task] ?? null), line: { color: space.colours[number] } })), {
        xaxis: { title: { text: "epoch" } }, yaxis: { title: { text: "training loss" }, ...logarithmic, dtick: "D2" },
        shapes: bands.map(([begin, end, name], number) => ({ type: "rect", xref: "x", yref: "paper", x0: begin + 0.5, x1: end + 0.5, y0: 0, y1: 1, line: { width: 0 }, fillcolor: number % 2 ? "rgba(128,128,128,0.14)" : "rgba(0,0,0,0)", label: { text: name, textposition: "top center", font: { color: style("--muted"), size: 11 } } })),
      });
    } else by("losses").textContent = "The run has no checkpoint of its training.";
    if (!branching) {
      by("branching").textContent = "This training has learned nothing about branching.";
      return;
    }
    if (by("branching").children.length !== branching.budgets.length) {
      by("branching").replaceChildren(...branching.budgets.map((budget, number) => {
        const listed = element("table", {});
        table(listed, ["tree", "energy", "behind", "confidence"], budget.trees.map((one) => [one.tree, one.energy.toFixed(3), one.behind ? `${one.behind.toFixed(3)} ± ${one.noise.toFixed(3)}` : "-", percent(one.confidence)]));
        const flags = [budget.sure ? "" : `Not sure: the first tree is the best in less than half of the redraws within the noise; the cheapest that may be as good is ${budget.cheapest_tied}.`, budget.near_even ? "Near even: a tree read from these branch points would mean nothing." : ""].filter(Boolean);
        return element("div", {}, element("h3", {}, `Budget ${Math.round(100 * budget.share)} % of the way from hard sharing to all split`), ...flags.map((text) => element("p", { class: "warn" }, text)),
          element("div", { class: "columns" }, element("div", { class: "scroll" }, listed, courseOf(budget, number)), element("div", { class: "wide" }, element("div", { class: "plot small", id: `budget-${number}` }))));
      }));
    }
    branching.budgets.forEach((budget, number) => {
      drawPoints(branching, budget, number, Number(by(`step-${number}`)?.value ?? 0));
      drawCourse(branching, budget, number);
    });
  }
  // How the branch points of a budget learned: a slider that sets the heat maps back, and their entropies.
  function courseOf(budget, number) {
    const { steps } = budget.course, at = element("output", { for: `step-${number}` });
    if (!steps.length) return element("p", { class: "note" }, "How these probabilities were learned was not kept.");
    const slider = element("input", { type: "range", id: `step-${number}`, min: 0, max: steps.length - 1, step: 1, value: steps.length - 1 });
    const tell = () => { at.textContent = `${steps[slider.value]} of ${steps.at(-1)} steps`; };
    slider.addEventListener("input", () => { tell(); drawPoints(values.training.branching, budget, number, Number(slider.value)); });
    tell();
    return element("div", {}, element("div", { class: "controls" }, element("label", {}, "learned for ", slider, " "), at), element("div", { class: "plot low", id: `course-${number}` }));
  }
  function drawCourse(branching, budget, number) {
    const { steps, entropies } = budget.course;
    if (!steps.length) return;
    draw(`course-${number}`, branching.points.map((name, point) => ({ type: "scatter", mode: "lines", name, line: { color: palette[point % palette.length] }, x: steps, y: entropies.map((all) => mean(all[point])) })),
      { margin: { l: 45, r: 10, t: 10, b: 40 }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, xaxis: { title: { text: "steps of the branch points" }, range: [0, steps.at(-1)] }, yaxis: { title: { text: "entropy" }, range: [0, 1.02] } });
  }
  function drawPoints(branching, budget, number, step) {
    const then = { probabilities: budget.course.probabilities[step] ?? budget.probabilities, entropy: budget.course.entropies[step] ?? budget.entropy };
    const labels = budget.probabilities[0]?.[0]?.length ?? 0;
    const across = branching.points.length, traces = [], more = { annotations: [], margin: { l: 90, r: 10, t: 46, b: 45 } };
    then.probabilities.forEach((block, point) => {
      const suffix = point ? String(point + 1) : "";
      const of = block.slice(1).map((row, task) => row.map((p, label) => (label <= task + 1 ? p : null)));
      traces.push({ type: "heatmap", z: of, x: [...Array(labels).keys()].map((label) => (labels === space.tasks.length ? space.tasks[label] : `copy ${label}`)), y: space.tasks.slice(1), xaxis: `x${suffix}`, yaxis: `y${suffix}`, zmin: 0, zmax: 1, colorscale: "Cividis", showscale: point === across - 1, hovertemplate: "%{y} takes the label of %{x}: %{z:.2f}<extra></extra>", xgap: 1, ygap: 1 });
      more[`xaxis${suffix}`] = { domain: [point / across + 0.01, (point + 1) / across - 0.01], anchor: `y${suffix}`, tickangle: -40, type: "category", automargin: true, showgrid: false };
      more[`yaxis${suffix}`] = { autorange: "reversed", showticklabels: point === 0, anchor: `x${suffix}`, type: "category", automargin: true, showgrid: false };
      more.annotations.push({ text: `${branching.points[point]}<br>entropy ${mean(then.entropy[point]).toFixed(2)}`, xref: `x${suffix} domain`, yref: "paper", x: 0.5, xanchor: "center", y: 1, yanchor: "bottom", yshift: 4, showarrow: false, font: { size: 11 } });
    });
    draw(`budget-${number}`, traces, more);
  }

  // The rest --------------------------------------------------------------------------------------------------------

  function showRest() {
    table(by("latencies"), ["candidate", "ms", "noise", "rounds", "clock", "target"], values.latencies.map((one) => [one.id, one.ms.toPrecision(3), percent(one.noise), String(one.rounds), one.clock + (one.busy ? ", busy machine" : ""), one.target]), ["", "", "", "", "text", "text"]);
    by("latency").hidden = !values.latencies.length;
    table(by("refined-rows"), ["candidate", "how", "tree", "params", "inherited, valid", "valid", "test", "Delta_m, test", ...space.tasks.map((task) => `test, ${task}`)],
      values.refined.map((one) => [one.id, one.how, one.tree, human(one.params), human(one.inherited), human(one.valid), human(one.test), signed(one.delta_m), ...space.tasks.map((task) => human(one.tasks[task]))]), ["", "text", "text"]);
    table(by("compared-rows"), ["compared with", "network", "params", "trainings", "error", "sd", "Delta_m"],
      values.compared.map((one) => [one.id, one.network, human(one.params), String(one.trainings), human(one.error), human(one.sd), signed(one.delta_m)]), ["", "text"]);
    by("refined-rows").hidden = !values.refined.length;
    by("compared-rows").hidden = !values.compared.length;
    by("refined").hidden = !values.refined.length && !values.compared.length;
    const flat = (value) => (typeof value === "object" && value !== null ? Object.entries(value).map(([key, one]) => `${key}: ${typeof one === "object" ? JSON.stringify(one) : one}`).join(", ") : String(value));
    const told = { "commands": about.commands.join("\n"), "seed": about.seed, "begun": about.created, "trees": space.trees, "architectures": space.size, "budgets": budgets, "reference point": values.reference, "data": about.data, "errors": about.errors, "losses": about.losses, "training": about.training, "search": about.search, "space file": about.space_file, "versions": about.versions };
    table(by("settings"), ["", ""], Object.entries(told).filter(([, value]) => flat(value)).map(([name, value]) => [name, flat(value)]), ["", "text long"]);
  }
  function showSummary() {
    by("name").textContent = about.name;
    const fitting = every.filter((row) => rows.feasible[row] && rows.values["error/mean"]);
    const best = fitting.reduce((found, row) => (found === null || rows.values["error/mean"][row] < rows.values["error/mean"][found] ? row : found), null);
    const members = rows.front.filter(Boolean).length;
    by("summary").textContent = `${space.tasks.length} tasks, ${count} measured candidates, ${members} on the front` +
      (best === null ? "" : `; lowest mean error within the budgets ${human(rows.values["error/mean"][best])} at ${human(rows.values.params?.[best])} parameters`) +
      (values.hypervolume.length ? `; hypervolume ${values.hypervolume.at(-1).toFixed(4)}` : "");
    by("table-note").textContent = "Errors are those of inherited weights on the validation split." + (values.gains.length ? " Delta_m: mean relative gain over the largest single-task networks (of as many groups as blocks have copies, where these are fewer than tasks), likewise." : "");
    state.chosen = best ?? every.find((row) => rows.front[row]) ?? 0;
    for (const section of document.querySelectorAll("main section")) if (!section.hidden) by("contents").append(element("a", { href: `#${section.id}` }, section.dataset.title));
  }
  function update() {
    showLimits();
    drawFront();
    showRows();
  }
  function drawAll() {
    update();
    showMember();
    drawSearch();
    drawTraining();
  }
  function fill(select, names, chosen, more = []) {
    select.replaceChildren(...more.map(([value, text]) => element("option", { value }, text)), ...names.map((cost) => element("option", { value: cost }, costs[cost] ?? cost)));
    select.value = chosen;
  }

  const names = Object.keys(costs);
  const error = costs["error/mean"] ? "error/mean" : objectives[0];
  const other = objectives.find((cost) => !isError(cost)) ?? names.find((cost) => cost !== error) ?? error;
  fill(by("x"), names, other);
  fill(by("y"), names, error);
  fill(by("colour"), names, "", [["", "none"]]);
  fill(by("share"), space.costs.names, space.costs.names[0]);
  for (const id of ["x", "y", "colour", "logs"]) by(id).addEventListener("change", drawFront);
  by("share").addEventListener("change", drawTree);
  by("every").addEventListener("change", showRows);
  by("reset").addEventListener("click", () => { state.limits = {}; update(); });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = (name) => { document.documentElement.dataset.theme = name; };
  theme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => { theme(dark.matches ? "dark" : "light"); drawAll(); });
  by("theme").addEventListener("click", () => { theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); drawAll(); });
  showRest();
  showSummary();
  makeLimits();
  drawAll();
  listenToFront();
})();
