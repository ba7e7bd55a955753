// Overlays on the pictures, switched by boxes and keys; a sentence lights the findings that prove it.
const COLOURS = {
  "artery": "#ff4d4d", "vein": "#4da3ff", "foveal avascular zone": "#ffd84d", "fovea": "#ffffff", "capillary dropout": "#35e0d0",
  "microaneurysm": "#ff5cf0", "intraretinal microvascular abnormality": "#ff9a3c", "neovascularization": "#7dff5c",
  "vascular tortuosity": "#c9a2ff",
};
const OTHER = { artefact: "#b8b8b8", anatomy: "#9fd0ff", lesion: "#ff5cf0", diagnosis: "#ffffff" };
const LIT = "#ffffff";
const FRAMED = 40; // lesions smaller than this many image pixels get a frame
const SCALE = 3; // canvas pixels per image pixel, so that thin outlines stay thin

const { findings } = JSON.parse(document.getElementById("drawing").textContent);
const pictures = [...document.querySelectorAll(".picture")].map((figure) => ({
  image: figure.querySelector("img"), canvas: figure.querySelector("canvas"), number: Number(figure.dataset.image),
}));
const terms = [...new Set(findings.map((f) => f.term))];
const shown = new Set();
const bitmaps = new Map();
let lit = new Set();

const colour = (finding) => COLOURS[finding.term] ?? OTHER[finding.kind] ?? LIT;

// COCO's compressed run lengths: 5 bits a character, differences to the run two before, column by column.
function decode(text, [rows, cols]) {
  const mask = new Uint8Array(rows * cols), counts = [];
  for (let i = 0; i < text.length;) {
    let x = 0, shift = 0, code;
    do {
      code = text.charCodeAt(i++) - 48;
      x += (code & 31) * 2 ** shift;
      shift += 5;
    } while (code & 32);
    if (code & 16) x -= 2 ** shift;
    counts.push(counts.length > 2 ? x + counts[counts.length - 2] : x);
  }
  let at = 0;
  counts.forEach((count, k) => {
    if (k % 2) for (let j = at; j < at + count; j++) mask[(j % rows) * cols + Math.floor(j / rows)] = 1;
    at += count;
  });
  return mask;
}

function rgb(tint) {
  return [1, 3, 5].map((i) => parseInt(tint.slice(i, i + 2), 16));
}

function bitmap(finding, fill, rim) {
  const key = `${finding.image} ${finding.id} ${fill} ${rim}`;
  if (bitmaps.has(key)) return bitmaps.get(key);
  const [rows, cols] = finding.mask_size, mask = decode(finding.mask_counts, finding.mask_size);
  const canvas = new OffscreenCanvas(cols, rows), context = canvas.getContext("2d"), data = context.createImageData(cols, rows);
  const inner = [...rgb(colour(finding)), fill], outer = [...rgb(rim), 230];
  for (let row = 0; row < rows; row++) for (let col = 0; col < cols; col++) {
    const i = row * cols + col;
    if (!mask[i]) continue;
    const edge = row === 0 || col === 0 || row === rows - 1 || col === cols - 1
      || !mask[i - 1] || !mask[i + 1] || !mask[i - cols] || !mask[i + cols];
    data.data.set(edge ? outer : inner, 4 * i);
  }
  context.putImageData(data, 0, 0);
  bitmaps.set(key, canvas);
  return canvas;
}

// What is not visible in the picture is drawn dashed and faint: it is true, but nobody could see it.
function drawFinding(context, finding, fill, rim) {
  context.globalAlpha = finding.visible === false ? 0.45 : 1;
  context.setLineDash(finding.visible === false ? [3, 3] : []);
  context.strokeStyle = rim;
  if (finding.mask_counts !== null) {
    context.imageSmoothingEnabled = false;
    const [rows, cols] = finding.mask_size;
    context.drawImage(bitmap(finding, fill, rim), 0, 0, cols * SCALE, rows * SCALE);
  }
  const [row0, col0, row1, col1] = (finding.box ?? [0, 0, 0, 0]).map((x) => x * SCALE);
  const small = Math.max(row1 - row0, col1 - col0) < FRAMED * SCALE;
  if (finding.box !== null && finding.kind === "lesion" && (small || finding.mask_counts === null)) {
    const pad = 4;
    context.lineWidth = 1.5;
    context.strokeRect(col0 - pad, row0 - pad, col1 - col0 + 2 * pad, row1 - row0 + 2 * pad);
  }
  if (finding.polyline.length > 1) {
    context.lineWidth = 2;
    context.beginPath();
    finding.polyline.forEach(([row, col], i) => context[i ? "lineTo" : "moveTo"](col * SCALE, row * SCALE));
    context.stroke();
  }
  if (finding.mask_counts === null) for (const [row, col] of finding.points) {
    context.beginPath();
    context.arc(col * SCALE, row * SCALE, 6, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.stroke();
  }
}

function draw() {
  for (const { image, canvas, number } of pictures) {
    if (!image.naturalWidth) continue;
    canvas.width = image.naturalWidth * SCALE;
    canvas.height = image.naturalHeight * SCALE;
    const context = canvas.getContext("2d");
    const here = findings.filter((f) => f.image === number);
    for (const finding of here) {
      if (shown.has(finding.term) && !lit.has(finding.id)) drawFinding(context, finding, lit.size ? 25 : 70, colour(finding));
    }
    for (const finding of here) {
      if (lit.has(finding.id)) drawFinding(context, finding, 120, LIT);
    }
  }
  document.body.dataset.shown = [...shown].join(";");
  document.body.dataset.lit = [...lit].join(";");
}

const boxes = new Map();
function toggle(term, on = !shown.has(term)) {
  shown[on ? "add" : "delete"](term);
  boxes.get(term).checked = on;
}
const fieldset = document.getElementById("overlays");
terms.forEach((term, i) => {
  const of = findings.filter((f) => f.term === term), label = document.createElement("label");
  const box = document.createElement("input"), swatch = document.createElement("span"), unseen = of.filter((f) => f.visible === false).length;
  box.type = "checkbox";
  box.name = term;
  box.addEventListener("change", () => { toggle(term, box.checked); draw(); });
  swatch.className = "swatch";
  swatch.style.backgroundColor = colour(of[0]);
  label.append(box, swatch, `${i < 9 ? `${i + 1} ` : ""}${term} (${of.length}${unseen ? `, ${unseen} not visible` : ""})`);
  fieldset.append(label);
  boxes.set(term, box);
});
if (!terms.length) fieldset.append("nothing to draw on these pictures");

const buttons = [...document.querySelectorAll("#reasoning button")];
let held = null;
function light(button) {
  lit = new Set(button ? JSON.parse(button.dataset.evidence) : []);
  draw();
}
for (const button of buttons) {
  button.addEventListener("mouseenter", () => light(button));
  button.addEventListener("focus", () => light(button));
  button.addEventListener("mouseleave", () => light(held));
  button.addEventListener("blur", () => light(held));
  button.addEventListener("click", () => {
    held = held === button ? null : button;
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === held));
    light(held);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const link = { ArrowLeft: "before", ArrowRight: "after", Escape: "up" }[event.key];
  if (link) document.getElementById(link)?.click();
  else if (event.key === "a") terms.forEach((term) => toggle(term, true));
  else if (event.key === "0") terms.forEach((term) => toggle(term, false));
  else if (event.key >= "1" && event.key <= "9" && terms[event.key - 1]) toggle(terms[event.key - 1]);
  else return;
  draw();
});

for (const { image } of pictures) image.complete ? draw() : image.addEventListener("load", draw);
