// Live parts, by server-sent events whose data is HTML.
//   <div data-live="URL" data-live-target="#ID" data-live-mode="prepend" data-live-limit="500" id="feed">
// data-live-mode: prepend (default), append or replace. data-live-limit: how many children the target keeps.
// A node with an id that is shown already takes the place of that one; with data-live-replaces it does only that.
// data-live-state on the element says what is: connecting, live, paused or ended.
// <button data-live-pause="#feed">: what comes while it is paused waits, and is shown afterwards;
// <span data-live-waiting="#feed"> says how many.
// The server ends a stream for good with `event: end`.
(() => {
  const feeds = new WeakMap();

  class Feed {
    constructor(element) {
      this.element = element;
      this.waiting = [];
      this.paused = false;
      this.source = new EventSource(element.dataset.live);
      this.source.onopen = () => this.say(this.paused ? "paused" : "live");
      this.source.onerror = () => this.say(this.source.readyState === EventSource.CLOSED ? "ended" : "connecting");
      this.source.onmessage = (event) => this.take(event.data);
      this.source.addEventListener("end", () => { this.source.close(); this.say("ended"); });
      this.say("connecting");
    }
    get limit() { return Number(this.element.dataset.liveLimit ?? 500); }
    get target() { return document.querySelector(this.element.dataset.liveTarget) ?? this.element; }
    say(state) { this.element.dataset.liveState = state; }
    take(html) {
      if (!this.element.isConnected) { this.source.close(); return; }
      if (!this.paused) { this.show(html); return; }
      this.waiting.push(html);
      if (this.waiting.length > this.limit) this.waiting.shift();
      this.count();
    }
    show(html) {
      const mode = this.element.dataset.liveMode ?? "prepend";
      const template = document.createElement("template");
      template.innerHTML = html;
      const nodes = [...template.content.children];
      const known = (node) => node.id && document.getElementById(node.id);
      const fresh = nodes.filter((node) => mode === "replace" || !(known(node) || "liveReplaces" in node.dataset));
      for (const node of nodes) if (!fresh.includes(node)) known(node)?.replaceWith(node);
      if (mode === "replace") this.target.replaceChildren(...fresh);
      else this.target[mode](...fresh);
      while (this.target.childElementCount > this.limit) {
        (mode === "prepend" ? this.target.lastElementChild : this.target.firstElementChild).remove();
      }
      for (const node of nodes) htmx.process(node);
    }
    pause(button) {
      this.paused = !this.paused;
      button.setAttribute("aria-pressed", String(this.paused));
      this.say(this.paused ? "paused" : "live");
      if (!this.paused) for (const html of this.waiting.splice(0)) this.show(html);
      this.count();
    }
    count() {
      for (const place of document.querySelectorAll("[data-live-waiting]")) {
        if (document.querySelector(place.dataset.liveWaiting) === this.element) {
          place.textContent = this.waiting.length ? `${this.waiting.length} waiting` : "";
        }
      }
    }
  }

  const start = (root) => {
    const found = [...root.querySelectorAll("[data-live]"), ...(root.matches?.("[data-live]") ? [root] : [])];
    for (const element of found) if (!feeds.has(element)) feeds.set(element, new Feed(element));
  };
  document.addEventListener("DOMContentLoaded", () => start(document));
  document.addEventListener("htmx:load", (event) => start(event.detail.elt));
  document.addEventListener("htmx:beforeCleanupElement", (event) => feeds.get(event.detail.elt)?.source.close());
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-live-pause]");
    if (button) feeds.get(document.querySelector(button.dataset.livePause))?.pause(button);
  });
})();
