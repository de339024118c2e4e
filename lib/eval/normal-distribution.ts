/** The standard normal distribution, as confidence intervals need it. */

/**
 * P(X < x), by the continued fraction of Laplace for the tail (Abramowitz and Stegun 26.2.14) and the series of 26.2.11
 * near the middle; about 14 digits.
 */
export function normalCdf(x: number): number {
  const size = Math.abs(x);
  const density = Math.exp((-size * size) / 2) / Math.sqrt(2 * Math.PI);
  const upper = size < 3 ? 0.5 - density * series(size) : density / continuedFraction(size);
  return x > 0 ? 1 - upper : upper;
}

/** x + x^3 / 3 + x^5 / (3 * 5) + ... */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 3; term > 1e-17 * sum; n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return sum;
}

/** x + 1 / (x + 2 / (x + 3 / (x + ...))) */
function continuedFraction(x: number): number {
  let value = x;
  for (let n = 100; n > 0; n--) value = x + n / value;
  return value;
}

/** The x with P(X < x) = p, for p above 0 and below 1, by halving the range in which it must lie. */
export function normalQuantile(p: number): number {
  let [low, high] = [-40, 40];
  while (true) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return middle;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
}
