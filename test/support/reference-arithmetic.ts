/** The operations of a decoder in plain loops over float64, each one written from its formula. */

import { fromFloat16, toFloat16 } from "./tensor-encoding.js";

/** A matrix as GGUF stores it: row after row, each of `columns` values. */
export interface Matrix {
  readonly columns: number;
  readonly values: Float32Array;
}

export type Vector = Float64Array;

/** matrix . x (+ bias) */
export function project({ columns, values }: Matrix, x: Vector, bias?: Float32Array): Vector {
  if (x.length !== columns) throw new Error(`a matrix of ${columns} columns cannot take ${x.length} values`);
  const y = new Float64Array(values.length / columns);
  for (let row = 0; row < y.length; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++)
      sum += (values[row * columns + column] as number) * (x[column] as number);
    y[row] = sum + (bias?.[row] ?? 0);
  }
  return y;
}

/** weight . x / sqrt(mean(x^2) + eps), a group of `weight.length` values at a time. */
export function rmsNorm(x: Vector, weight: Float32Array, eps: number): Vector {
  const size = weight.length;
  if (x.length % size !== 0) throw new Error(`a norm of ${size} values cannot take ${x.length}`);
  const y = new Float64Array(x.length);
  for (let begin = 0; begin < x.length; begin += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += (x[begin + i] as number) ** 2;
    const scale = 1 / Math.sqrt(squares / size + eps);
    for (let i = 0; i < size; i++) y[begin + i] = (x[begin + i] as number) * scale * (weight[i] as number);
  }
  return y;
}

export interface Rotation {
  /** Whether a pair is two neighbours (llama.cpp's NORM) or a value of each half of those that are rotated (NEOX). */
  readonly pairs: "neighbours" | "halves";
  /** Values of a head that are rotated; the others stay. */
  readonly size: number;
  readonly base: number;
  /** Factor on the angles. */
  readonly scale: number;
  /** Divisors of the angles, one a pair. */
  readonly factors: Float32Array | undefined;
  /** Factor on the rotated values. */
  readonly magnitude: number;
}

/** RoPE: turns the pairs of every head by angles that grow with the position. */
export function rotate(x: Vector, headSize: number, position: number, rotation: Rotation): Vector {
  const { pairs, size, base, scale, factors, magnitude } = rotation;
  const y = Float64Array.from(x);
  for (let head = 0; head < x.length; head += headSize) {
    for (let pair = 0; pair < size / 2; pair++) {
      const angle = (position * scale * base ** ((-2 * pair) / size)) / (factors?.[pair] ?? 1);
      const first = head + (pairs === "neighbours" ? 2 * pair : pair);
      const second = pairs === "neighbours" ? first + 1 : first + size / 2;
      const a = x[first] as number;
      const b = x[second] as number;
      y[first] = (a * Math.cos(angle) - b * Math.sin(angle)) * magnitude;
      y[second] = (a * Math.sin(angle) + b * Math.cos(angle)) * magnitude;
    }
  }
  return y;
}

export const silu = (x: number): number => x / (1 + Math.exp(-x));

/** GELU by tanh, from a table of halves as ggml's CPU code has it: argument and value are rounded to f16. */
export function gelu(x: number): number {
  if (x <= -10) return 0;
  if (x >= 10) return x;
  const half = fromFloat16(toFloat16(x));
  const exact = 0.5 * half * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * half * (1 + 0.044715 * half * half)));
  return fromFloat16(toFloat16(exact));
}

/** limit . tanh(x / limit); a limit of 0 is none. */
export const softCap = (x: number, limit: number): number => (limit === 0 ? x : limit * Math.tanh(x / limit));

/** Exponentials that sum to 1. */
export function softMax(x: readonly number[]): number[] {
  const most = Math.max(...x);
  const powers = x.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** Natural logarithms of the probabilities that logits stand for. */
export function logSoftMax(logits: Vector): Vector {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return logits.map((logit) => logit - most - Math.log(sum));
}

/** a + scale . b */
export const addScaled = (a: Vector, b: Vector, scale: number): Vector => a.map((x, i) => x + scale * (b[i] as number));
