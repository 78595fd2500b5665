// What keys type into a terminal.

const PLAIN = {
  Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", Insert: "\x1b[2~", Delete: "\x1b[3~",
  PageUp: "\x1b[5~", PageDown: "\x1b[6~", F1: "\x1bOP", F2: "\x1bOQ", F3: "\x1bOR", F4: "\x1bOS",
  F5: "\x1b[15~", F7: "\x1b[18~", F8: "\x1b[19~", F9: "\x1b[20~", F10: "\x1b[21~", F11: "\x1b[23~",
  F12: "\x1b[24~",
};
const ARROWS = { ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D", Home: "H", End: "F" };
const CONTROLS = { " ": 0, "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31, "?": 127 };

// The characters that a key types, or null where it is none of the terminal's.
export function typed(event, isApplication) {
  const { key, ctrlKey, altKey, shiftKey, metaKey } = event;
  if (metaKey || event.isComposing || key === "F6") return null;
  if (key in ARROWS) {
    const modifiers = 1 + (shiftKey ? 1 : 0) + (altKey ? 2 : 0) + (ctrlKey ? 4 : 0);
    if (modifiers > 1) return `\x1b[1;${modifiers}${ARROWS[key]}`;
    return (isApplication ? "\x1bO" : "\x1b[") + ARROWS[key];
  }
  if (key === "Tab" && shiftKey) return "\x1b[Z";
  const before = altKey ? "\x1b" : "";
  if (key in PLAIN) return before + PLAIN[key];
  if ([...key].length !== 1) return null;
  if (!ctrlKey) return before + key;
  // A copy and a paste are the browser's.
  if (shiftKey && "cCvV".includes(key)) return null;
  if (/^[a-z]$/i.test(key)) return before + String.fromCharCode(key.toUpperCase().charCodeAt(0) & 31);
  return key in CONTROLS ? before + String.fromCharCode(CONTROLS[key]) : null;
}

// What a paste types.
export function pasted(text, isBracketed) {
  const lines = text.replace(/\r?\n/g, "\r");
  // Nothing in it may end it early.
  return isBracketed ? `\x1b[200~${lines.replaceAll("\x1b", "")}\x1b[201~` : lines;
}
