/** Paired measuring: A and B by turns, so that a noisy machine disturbs both alike; the median of the pairs is what counts. */

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface Comparison {
  plainMs: Spread;
  otherMs: Spread;
  ratio: Spread;
  differenceMs: Spread;
}

/** One measured run: the whole of it, and the part that the command measured itself, if it did. */
export interface Sample {
  wholeMs: number;
  insideMs?: number;
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1) };
}

/** The first pair only warms up and is thrown away. */
export async function measurePairs(
  rounds: number,
  plain: () => Promise<Sample>,
  other: () => Promise<Sample>,
): Promise<[Sample, Sample][]> {
  const pairs: [Sample, Sample][] = [];
  for (let round = 0; round <= rounds; round += 1) {
    // Each is first in every second pair: what the first leaves in caches must not favour one of them.
    const isPlainFirst = round % 2 === 0;
    const first = await (isPlainFirst ? plain() : other());
    const second = await (isPlainFirst ? other() : plain());
    if (round > 0) pairs.push(isPlainFirst ? [first, second] : [second, first]);
  }
  return pairs;
}

export function compare(pairs: readonly (readonly [number, number])[]): Comparison {
  return {
    plainMs: spreadOf(pairs.map(([plain]) => plain)),
    otherMs: spreadOf(pairs.map(([, other]) => other)),
    ratio: spreadOf(pairs.map(([plain, other]) => other / plain)),
    differenceMs: spreadOf(pairs.map(([plain, other]) => other - plain)),
  };
}
