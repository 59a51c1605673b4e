// Fills the switch of versions where the site stands beside others; docs/publish.py writes their list.
document.addEventListener("DOMContentLoaded", async () => {
  const box = document.querySelector(".versions");
  if (!box || location.protocol === "file:") return;
  const root = new URL(document.documentElement.dataset.content_root, location.href);
  const answer = await fetch(new URL("../versions.json", root)).catch(() => null);
  if (!answer || !answer.ok) return;
  const shown = root.pathname.split("/").at(-2);
  const select = box.querySelector("select");
  for (const name of await answer.json()) select.add(new Option(name, name, name === shown, name === shown));
  select.addEventListener("change", () => {
    const page = location.pathname.slice(root.pathname.length);
    const target = new URL(`../${select.value}/${page}`, root);
    fetch(target, { method: "HEAD" }).then((found) => {
      location.href = found.ok ? target : new URL(`../${select.value}/index.html`, root);
    });
  });
  box.hidden = false;
});
