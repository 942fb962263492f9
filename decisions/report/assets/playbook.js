// A link to an entry of the playbook opens it.
(() => {
  "use strict";
  const open = () => {
    const entry = document.getElementById(location.hash.slice(1));
    if (entry instanceof HTMLDetailsElement) entry.open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
