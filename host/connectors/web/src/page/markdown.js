// Draws the part of Markdown that answers are made of. Only createElement and textContent: whatever the text says, it
// can't become markup, and links lead to http and https alone.

const INLINE =
  /(`+)([\s\S]*?[^`])\1(?!`)|\[([^\]\n]+)\]\(([^\s)]+)\)|\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)|__(?=\S)([\s\S]*?\S)__(?!\w)|~~(?=\S)([\s\S]*?\S)~~|\*(?=[^\s*])([^*\n]*[^\s*])\*|(?<![\w_])_(?=[^\s_])([^_\n]*[^\s_])_(?!\w)|(https?:\/\/[^\s<>"')\]]*[^\s<>"')\].,;:!?])/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const FENCE = /^\s*(```+|~~~+)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$/;

function make(tag, ...children) {
  const element = document.createElement(tag);
  element.append(...children);
  return element;
}

function link(label, address) {
  let url;
  try { url = new URL(address); } catch { return label; }
  if (url.protocol !== "http:" && url.protocol !== "https:") return label;
  const element = make("a", ...(typeof label === "string" ? [label] : label.childNodes));
  element.href = url.href;
  element.target = "_blank";
  element.rel = "noopener noreferrer";
  return element;
}

// Deeper than anybody writes; a hostile text must not exhaust the stack.
const MAX_DEPTH = 8;

function inline(text, depth = 0) {
  const out = document.createDocumentFragment();
  for (let rest = text; rest; ) {
    const found = depth < MAX_DEPTH ? INLINE.exec(rest) : null;
    out.append(found ? rest.slice(0, found.index) : rest);
    if (!found) break;
    const [all, , code, label, address, strong, strong2, struck, soft, soft2, bare] = found;
    const within = (inner) => inline(inner, depth + 1);
    if (code !== undefined) out.append(make("code", code));
    else if (label !== undefined) out.append(link(within(label), address));
    else if (strong ?? strong2) out.append(make("strong", within(strong ?? strong2)));
    else if (struck) out.append(make("s", within(struck)));
    else if (soft ?? soft2) out.append(make("em", within(soft ?? soft2)));
    else out.append(link(bare, bare));
    rest = rest.slice(found.index + all.length);
  }
  return out;
}

function fenced(lines) {
  const [, fence] = FENCE.exec(lines.shift());
  const code = [];
  while (lines.length && !lines[0].trimStart().startsWith(fence)) code.push(lines.shift());
  lines.shift();
  return make("pre", make("code", code.join("\n")));
}

// Items as deep as the first belong to the list; deeper ones to a list inside the item before them.
function list(lines, depth) {
  const [, indent, mark] = ITEM.exec(lines[0]);
  const ordered = /\d/.test(mark);
  const element = make(ordered ? "ol" : "ul");
  if (ordered) element.start = parseInt(mark, 10);
  while (lines.length) {
    const item = ITEM.exec(lines[0]);
    if (item && item[1].length < indent.length) break;
    if (item && item[1].length > indent.length + 1 && element.lastChild && depth < MAX_DEPTH) {
      element.lastChild.append(list(lines, depth + 1));
    } else if (item) {
      if (/\d/.test(item[2]) !== ordered) break;
      lines.shift();
      element.append(make("li", inline(item[3])));
    } else if (/^\s+\S/.test(lines[0]) && element.lastChild) {
      element.lastChild.append(make("br"), inline(lines.shift().trim()));
    } else if (!lines[0].trim() && lines.length > 1 && ITEM.test(lines[1])) {
      lines.shift();
    } else break;
  }
  return element;
}

function table(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|");
  const row = (tag, line) => make("tr", ...cells(line).map((cell) => make(tag, inline(cell.trim()))));
  const head = make("thead", row("th", lines.shift()));
  lines.shift();
  const body = make("tbody");
  while (lines.length && lines[0].includes("|")) body.append(row("td", lines.shift()));
  const scroll = make("div", make("table", head, body));
  scroll.className = "scroll";
  return scroll;
}

function startsBlock(lines) {
  const line = lines[0];
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || ITEM.test(line) || line.startsWith(">") ||
    (line.includes("|") && TABLE_RULE.test(lines[1] ?? ""));
}

function paragraph(lines) {
  const element = make("p");
  do {
    if (element.hasChildNodes()) element.append(make("br"));
    element.append(inline(lines.shift()));
  } while (lines.length && lines[0].trim() && !startsBlock(lines));
  return element;
}

function quote(lines, depth) {
  const inner = [];
  while (lines.length && lines[0].startsWith(">")) inner.push(lines.shift().replace(/^> ?/, ""));
  return make("blockquote", depth < MAX_DEPTH ? blocks(inner, depth + 1) : inner.join("\n"));
}

function blocks(lines, depth) {
  const out = document.createDocumentFragment();
  while (lines.length) {
    const line = lines[0];
    if (!line.trim()) lines.shift();
    else if (FENCE.test(line)) out.append(fenced(lines));
    else if (HEADING.test(line)) out.append(make(HEADING.exec(lines[0])[1].length < 3 ? "h3" : "h4", inline(HEADING.exec(lines.shift())[2])));
    else if (RULE.test(line)) { lines.shift(); out.append(make("hr")); }
    else if (ITEM.test(line)) out.append(list(lines, depth));
    else if (line.startsWith(">")) out.append(quote(lines, depth));
    else if (line.includes("|") && TABLE_RULE.test(lines[1] ?? "")) out.append(table(lines));
    else out.append(paragraph(lines));
  }
  return out;
}

/** A fragment that shows `text`. */
export function markdown(text) {
  return blocks(text.replace(/\r\n?/g, "\n").split("\n"), 0);
}
