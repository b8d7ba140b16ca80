/** Passes through a network, counted by whoever makes them: the currency in which methods are compared. */
export interface Passes {
  forward: number;
  backward: number;
}

export function countPasses(): Passes {
  return { forward: 0, backward: 0 };
}
