// How many columns show so many pictures largest.

const SHAPE = 16 / 9;
/** What stands under each picture. */
const FIGURES_PX = 30;

export function columnsFor(count: number, width: number, height: number): number {
  if (count <= 1 || width <= 0 || height <= 0) return Math.max(1, Math.ceil(Math.sqrt(count)));
  let [best, most] = [1, 0];
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const wide = Math.min(width / columns, (height / rows - FIGURES_PX) * SHAPE);
    if (wide > most * 1.01) [best, most] = [columns, wide];
  }
  return best;
}
