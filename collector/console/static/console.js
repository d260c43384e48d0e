// What every page does: times as the reader's clock has them, preferences that need no button, tables that scroll.
"use strict";

(() => {
  const language = document.documentElement.lang;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const formats = {
    short: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
    long: { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
    clock: { hour: "2-digit", minute: "2-digit" },
    hour: { weekday: "short", hour: "2-digit", minute: "2-digit" },
    day: { month: "short", day: "numeric" },
    full: { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  };
  const made = {};
  for (const [name, options] of Object.entries(formats)) {
    made[name] = new Intl.DateTimeFormat(language, { ...options, hourCycle: "h23" });
  }

  for (const element of document.querySelectorAll("time[data-time]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    element.title = element.textContent;
    element.textContent = made[element.dataset.time].format(moment);
  }
  for (const element of document.querySelectorAll("svg text[data-moment]")) {
    element.textContent = made[element.dataset.time].format(new Date(element.dataset.moment));
  }
  for (const element of document.querySelectorAll("[data-zone]")) {
    element.querySelector("b").textContent = zone;
    element.hidden = false;
  }

  for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
    form.querySelector("button[type=submit]").hidden = true;
    form.addEventListener("change", () => form.requestSubmit());
  }

  // While something is being made, the page loads again.
  if (document.querySelector("[data-look-again]")) setTimeout(() => location.reload(), 10000);

  // What scrolls sideways must be reachable by keyboard; what does not must not be a stop on the way.
  const seen = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const element of document.querySelectorAll(".scroll")) seen.observe(element);
})();
