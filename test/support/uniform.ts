/** `count` numbers in [0, 1) that depend on the seed alone (xorshift, 32 bits). */
export function uniform(seed: number, count: number): number[] {
  let state = seed | 1;
  return Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  });
}
