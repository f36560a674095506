/** Calls `draw` at most once for each picture of the screen, however often it is asked for. */
export function oncePerFrame(
  draw: () => void,
  request: (callback: () => void) => unknown = requestAnimationFrame,
): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    request(() => {
      asked = false;
      draw();
    });
  };
}
