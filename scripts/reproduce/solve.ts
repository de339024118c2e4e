/**
 * Answers by reading: takes a prompt's text apart and works the answer out, without anything of what drew the prompt. What
 * tasks.ts says an answer is and what this finds must be the same.
 */

interface Fact {
  readonly name: string;
  readonly number: string;
  readonly color: string;
  readonly thing: string;
  readonly place: string;
}

const sentencePattern = /(\w+) has (\d+) (\w+) (\w+) in the (\w+) \./g;
const rowPattern = /^ (\w+) (\d+) (\w+) (\w+) (\w+)$/gm;
const friendPattern = /^ (\w+) (\w+)$/gm;

function readFacts(text: string): Fact[] {
  return [sentencePattern, rowPattern].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, name = "", number = "", color = "", thing = "", place = ""]) => ({
      name,
      number,
      color,
      thing,
      place,
    })),
  );
}

/** The one fact that something holds for. Throws an Error if it is not one. */
function only(facts: readonly Fact[], holds: (fact: Fact) => boolean): Fact {
  const found = facts.filter(holds);
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} facts answer the question`);
  return found[0];
}

/** The answer to a prompt. Throws an Error for a prompt that has none, or more than one. */
export function solve(prompt: string): string {
  const lines = prompt.split("\n");
  const question = lines.pop() ?? "";
  const story = lines.join("\n");
  const facts = readFacts(story);
  const named = (name: string | undefined) => only(facts, (fact) => fact.name === name);
  const told = ({ number, color, thing, place }: Fact) => `${number} ${color} ${thing} in the ${place} .`;

  let match = /^ Tell about (.+) :$/.exec(question);
  if (match)
    return (match[1] ?? "")
      .split(" and ")
      .map((name) => ` ${name} has ${told(named(name))}`)
      .join("");

  match = /^ Read on from (\w+) :$/.exec(question);
  if (match) {
    const { name, number, color, thing, place } = only(facts, (fact) => Object.values(fact).includes(match?.[1]));
    const row = [name, number, color, thing, place];
    while (row[0] !== match[1]) row.shift();
    return ` ${row.join(" ")}`;
  }

  match = /^ Who goes with (\w+) :$/.exec(question);
  if (match) {
    const friends = [...story.matchAll(friendPattern)].filter(([, of]) => of === match?.[1]).map(([, , who]) => who);
    if (friends.length !== 1) throw new Error(`${match[1]} has ${friends.length} friends`);
    return ` ${match[1]} ${friends[0]} . ${friends[0]} has ${told(named(friends[0]))}`;
  }

  match = /^ Count (.+) :$/.exec(question);
  if (match) {
    const counts = (match[1] ?? "").split(" , ").map((color) => {
      let count = 0;
      for (const fact of facts) if (fact.color === color) count++;
      return ` ${color} ${count}`;
    });
    return `${counts.join(" ,")} .`;
  }

  match = /^ Who has more , (\w+) or (\w+) :$/.exec(question);
  if (match) {
    const [first, second] = [named(match[1]), named(match[2])];
    const most = Number(first.number) > Number(second.number) ? first : second;
    return ` ${first.name} has ${first.number} , ${second.name} has ${second.number} , ${most.name} .`;
  }

  match = /^ Fill (.+) of (\w+) :$/.exec(question);
  if (match) {
    const fact = named(match[2]);
    const { name, number, color, thing, place } = fact;
    const filled = (match[1] ?? "").split(" , ").map((slot) => `${slot} ${fact[slot as keyof Fact]}`);
    const all = / has /.test(story) ? `${name} has ${told(fact)}` : [name, number, color, thing, place].join(" ");
    return ` ${all} : ${filled.join(" , ")} .`;
  }

  match = /^ Sort from (\d+) to (\d+) :$/.exec(question);
  if (match) {
    // Counting up, not a sort: an independent way.
    const [from, to] = [Number(match[1]), Number(match[2])];
    for (const end of [from, to]) only(facts, ({ number }) => Number(number) === end);
    const order: string[] = [];
    for (let next = from; next <= to; next++) {
      const fact = facts.find(({ number }) => Number(number) === next);
      if (fact) order.push(` ${fact.number} ${fact.color} ${fact.thing}`);
    }
    return `${order.join(" ,")} .`;
  }

  match = /^ Copy with (\w+) for (\w+) :$/.exec(question);
  const words = /^ Words (.+)$/m.exec(story)?.[1];
  if (match && words) return ` ${words.replaceAll(new RegExp(`\\b${match[2]}\\b`, "g"), match[1] ?? "")} .`;
  throw new Error(`no task asks: ${question}`);
}
