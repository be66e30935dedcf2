// The theme that was chosen in Airflow; without a choice the browser's. Read before anything is drawn.
"use strict";

(() => {
  const follow = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("theme");
    } catch {
      // No storage: the browser's theme.
    }
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
  };
  follow();
  addEventListener("storage", follow);
})();
