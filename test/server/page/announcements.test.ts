/** What a screen reader is told of a growing answer. */

import test from "ava";
import { Announcer, spokenText } from "../../../lib/server/page/browser/announcements.js";

const sentence = (n: number) => `Sentence number ${n} is about the weather, the mountains and the long way home.`;
const text = Array.from({ length: 12 }, (_, n) => sentence(n)).join(" ");

test("a growing text is told in a few pieces of whole sentences, each once, in order", (t) => {
  const announcer = new Announcer();
  const pieces: string[] = [];
  for (let length = 1; length <= text.length; length++) {
    const piece = announcer.grow(text.slice(0, length));
    if (piece !== undefined) pieces.push(piece);
  }
  const rest = announcer.finish(text);
  for (const piece of pieces) t.regex(piece, /^Sentence .*home\.$/);
  t.true(pieces.length >= 3 && pieces.length <= 6, `${pieces.length}`);
  t.is([...pieces, rest].join(" "), text);
  t.is(announcer.finish(text), undefined);
});

test("code that is being written is waited for, and then only named", (t) => {
  const announcer = new Announcer();
  const open = `Here it is.\n\n\`\`\`js\n${"call(1); // A sentence. And another.\n".repeat(20)}`;
  t.is(announcer.grow(open), undefined);
  t.is(announcer.finish(`${open}\`\`\`\nDone.`), "Here it is. Code block. Done.");
});

test("what looks like a sentence in code is none, and all around it is told once", (t) => {
  const block = "```js\nsay('One. Two. Three.'); // And: four.\n\nlet x = 1;\n```\n";
  const whole = `Before. ${text}\n\n${block}between ${sentence(1)}\n\n~~~\nPlain. Text.\n~~~\n\n${block}${text}`;
  const announcer = new Announcer();
  const pieces: (string | undefined)[] = [];
  for (let length = 1; length <= whole.length; length++) pieces.push(announcer.grow(whole.slice(0, length)));
  pieces.push(announcer.finish(whole));
  t.is(pieces.filter((piece) => piece !== undefined).join(" "), spokenText(whole));
  t.is(spokenText(whole).match(/Code block\./g)?.length, 3);
  t.notRegex(spokenText(whole), /One\.|let x|Plain/);
});

test("Markdown's marks are not read out", (t) => {
  t.is(
    spokenText("## Title\n\n- **bold** and `code`\n- [a link](https://x.example/long)\n\n> quoted"),
    "Title bold and code a link quoted",
  );
  t.is(spokenText("```\nnever closed\n"), "Code block.");
  t.is(spokenText("| Tea | Minutes |\n| --- | ---: |\n| Green | 3 |"), "Tea Minutes Green 3");
});
