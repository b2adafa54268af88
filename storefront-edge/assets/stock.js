// Keeps the stock on an open product page true. The page says the same without this, as of when it was opened.
(() => {
  const form = document.querySelector("[data-stock]");
  if (!form || !("EventSource" in window)) return;
  // Said only when the stream is away for longer than it takes to come back by itself.
  const PATIENCE = 5000;
  const note = document.createElement("p");
  note.className = "lost";
  note.setAttribute("role", "status");
  form.insertBefore(note, form.firstChild);
  let source = null, since = null, saying = null;
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const moment = (text) => {
    const at = new Date(text);
    return `${at.getUTCDate()} ${months[at.getUTCMonth()]}, ${at.toISOString().slice(11, 19)} UTC`;
  };
  const words = (stock, current) => {
    if (!stock) return "availability is not known right now";
    const units = stock.available === 0 ? "sold out" : `${stock.available} available`;
    return current ? units : `${units}, as of ${moment(stock.as_of)}`;
  };
  const show = (event) => {
    const { current, variants } = JSON.parse(event.data);
    for (const { sku, stock } of variants) {
      const place = form.querySelector(`[data-sku="${CSS.escape(sku)}"]`);
      const text = words(stock, current);
      if (place && place.textContent !== text) {
        const known = place.textContent;
        place.textContent = text;
        if (known) place.classList.add("changed");
      }
    }
  };
  const lost = () => {
    since = since || new Date();
    saying = saying || setTimeout(() => {
      note.textContent = `Stock may be out of date since ${since.toISOString().slice(11, 16)} UTC.`;
    }, PATIENCE);
  };
  const found = () => {
    clearTimeout(saying);
    since = saying = null;
    note.textContent = "";
  };
  const open = () => {
    if (source) return;
    source = new EventSource(form.dataset.stock);
    source.addEventListener("stock", show);
    source.addEventListener("open", found);
    // A lost stream comes back by itself; one that was refused is asked for again later, not by all pages at once.
    source.addEventListener("error", () => {
      lost();
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(() => document.hidden || open(), 10000 + Math.random() * 20000);
      }
    });
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  // A browser has few connections to a shop; pages that nobody looks at leave theirs to the others.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  // A network that is gone ends no connection by itself.
  addEventListener("offline", () => { close(); lost(); });
  addEventListener("online", () => document.hidden || open());
  addEventListener("pagehide", close);
  addEventListener("pageshow", () => document.hidden || open());
  form.addEventListener("animationend", (event) => event.target.classList.remove("changed"));
  if (!document.hidden) open();
})();
