// A list of the versions that stand beside this one (tools/docs_versions.py); where there are none, nothing is shown.
document.addEventListener("DOMContentLoaded", async () => {
  const place = document.getElementById("versions");
  if (!place) return;
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  try {
    const answer = await fetch(new URL("../versions.json", root));
    if (!answer.ok) return;
    const versions = await answer.json();
    const here = root.pathname.replace(/\/+$/, "").split("/").pop();
    const page = location.pathname.slice(root.pathname.length) || "index.html";
    const list = place.querySelector("select");
    for (const { name, newest } of versions) {
      list.add(new Option(newest ? `${name} (newest)` : name, name, false, name === here));
    }
    list.addEventListener("change", async () => {
      const home = new URL(`../${list.value}/`, root);
      const same = new URL(page, home);
      const there = await fetch(same, { method: "HEAD" }).then((found) => found.ok, () => false);
      location.href = there ? same : new URL("index.html", home);
    });
    place.hidden = false;
  } catch {
    // a folder that was opened without a server, or no list beside it
  }
});
