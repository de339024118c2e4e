/** One measured figure, with what was asked of it. */

export type Unit = "ratio" | "ms" | "MB" | "tokens/s";

export interface Target {
  readonly is: ">=" | ">" | "<=" | "<";
  readonly value: number;
}

export interface Row {
  /** The measurement it belongs to, as `--only` names it. */
  readonly section: string;
  readonly name: string;
  readonly value: number;
  readonly unit: Unit;
  readonly target?: Target;
  /** Set with a target. */
  readonly met?: boolean;
  /** What the value was made from. */
  readonly detail: string;
  /** The value in every round, where there were rounds. */
  readonly rounds?: readonly number[];
}

export function row(fields: Omit<Row, "met">): Row {
  return fields.target ? { ...fields, met: meets(fields.value, fields.target) } : fields;
}

function meets(value: number, { is, value: bound }: Target): boolean {
  switch (is) {
    case ">=":
      return value >= bound;
    case ">":
      return value > bound;
    case "<=":
      return value <= bound;
    case "<":
      return value < bound;
  }
}

export const atLeast = (value: number): Target => ({ is: ">=", value });
export const moreThan = (value: number): Target => ({ is: ">", value });
export const atMost = (value: number): Target => ({ is: "<=", value });
export const lessThan = (value: number): Target => ({ is: "<", value });

export function formatValue(value: number, unit: Unit): string {
  const digits = unit === "ratio" ? 3 : value < 10 ? 2 : 1;
  return unit === "ratio" ? value.toFixed(digits) : `${value.toFixed(digits)} ${unit}`;
}

export const formatTarget = ({ is, value }: Target, unit: Unit): string =>
  unit === "ratio" ? `${is} ${value}` : `${is} ${value} ${unit}`;
