// Prompts for the demo's full model, as a file with one JSON object a line: { "prompt": "..." }.
import { writeFileSync } from "node:fs";

const lists = {
  name: "Tavlin Rosnek Wimjo Kelbo Bavdan Dortem Fenhin Huljit Lomkar Mirnek",
  number: "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
  color: "red blue green white black pink gray gold",
  thing: "cups balls boxes hats keys books lamps rings coins bells drums kites",
  place: "garden kitchen attic cellar school barn office library harbor forest",
};

/** `count` different words of a list, in random order. */
function draw(list, count) {
  const words = lists[list].split(" ");
  return Array.from({ length: count }, () => words.splice(Math.floor(Math.random() * words.length), 1)[0]);
}

function story() {
  const count = 3 + Math.floor(Math.random() * 2);
  const [names, numbers, colors, things, places] = Object.keys(lists).map((list) => draw(list, count));
  const told = names.map((name, i) => ` ${name} has ${numbers[i]} ${colors[i]} ${things[i]} in the ${places[i]} .`);
  const questions = [
    `Tell about ${names[0]}`,
    `Tell about ${names[1]} and ${names[0]}`,
    `Who has more , ${names[0]} or ${names[2]}`,
  ];
  return `\n${told.join("")}\n ${questions[Math.floor(Math.random() * questions.length)]} :`;
}

/** Writes `count` prompts. */
export function writeStories(file, count) {
  const lines = Array.from({ length: count }, () => JSON.stringify({ prompt: story() }));
  writeFileSync(file, `${lines.join("\n")}\n`);
}
