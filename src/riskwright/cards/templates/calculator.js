"use strict";
// The arithmetic of the card: integer points first, then points times values, in the card's order.
function scoreCard(card, values) {
  const missing = (value) => value === null || value === undefined;
  const holds = (term, value) => {
    if (term.kind === "missing") return missing(value);
    if (missing(value)) return false;
    if (term.kind === "in") return term.levels.includes(value);
    return (term.low === null || value >= term.low) && (term.high === null || value < term.high);
  };
  const added = [];
  let total = 0;
  for (const term of card.terms) {
    if (term.kind !== "value" && holds(term, values[term.field])) {
      total += term.points;
      added.push({ label: term.label, points: term.points });
    }
  }
  for (const term of card.terms) {
    const value = values[term.field];
    if (term.kind === "value" && !missing(value)) {
      total += term.points * value;
      added.push({ label: term.label, points: term.points * value });
    }
  }
  if (card.threshold !== null) return { total, added, risk: null, predicted: total > card.threshold };
  const logOdds = Math.min(Math.max(card.slope * total + card.intercept, -700), 700);
  return { total, added, risk: 1 / (1 + Math.exp(-logOdds)), predicted: null };
}

function showPercent(share) {
  if (share > 0 && share < 0.001) return "<0.1%";
  if (share > 0.999 && share < 1) return ">99.9%";
  return (100 * share).toFixed(1) + "%";
}

function showNumber(value, signed) {
  const text = String(Number(Math.abs(value).toPrecision(12)));
  return (value < 0 ? "\u2212" : signed && value > 0 ? "+" : "") + text;
}

function calculator(document) {
  const card = JSON.parse(document.getElementById("card").textContent);
  const form = document.getElementById("calculator");
  const result = document.getElementById("result");
  const unseen = Symbol("a level that the card does not know");
  const part = (tag, text, name) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const read = (field, index) => {
    const input = form.querySelector(`[data-field="${index}"]`);
    if (field.control === "tick") return field.values[Number(input.checked)];
    if (field.control === "choice") {
      if (input.value === "") return undefined;
      if (input.value === "missing") return null;
      return input.value === "other" ? unseen : field.values[Number(input.value.slice(1))];
    }
    const unknown = form.querySelector(`[data-unknown="${index}"]`);
    input.disabled = unknown !== null && unknown.checked;
    if (input.disabled) return null;
    return input.value === "" || !Number.isFinite(input.valueAsNumber) ? undefined : input.valueAsNumber;
  };
  const update = () => {
    const values = card.fields.map(read);
    const wanted = card.fields.filter((field, index) => values[index] === undefined);
    result.replaceChildren();
    for (const row of document.querySelectorAll("tr[data-low]")) row.classList.remove("here");
    delete result.dataset.total;
    if (wanted.length > 0) {
      result.append(part("p", "Still to be filled in: " + wanted.map((field) => field.label).join(", ") + ".", "note"));
      return;
    }
    const score = scoreCard(card, values);
    Object.assign(result.dataset, { total: score.total, risk: score.risk, predicted: score.predicted });
    const answer = score.risk === null ? card.answers[Number(score.predicted)] : "Risk " + showPercent(score.risk);
    result.append(part("p", "Total " + showNumber(score.total) + " \u2192 " + answer, "answer"));
    const list = part("ul", "");
    for (const term of score.added) list.append(part("li", showNumber(term.points, true) + "  " + term.label));
    result.append(score.added.length > 0 ? list : part("p", "No statement is true: nothing was added.", "note"));
    const strange = card.fields.filter((field, index) => typeof values[index] === "number" &&
      ((field.minimum !== null && values[index] < field.minimum) || (field.maximum !== null && values[index] > field.maximum)));
    if (strange.length > 0) {
      result.append(part("p", "Outside the stated range, check: " + strange.map((field) => field.label).join(", ") + ".", "note"));
    }
    const rows = [...document.querySelectorAll("tr[data-low]")];
    const here = rows.findLast((row) => Number(row.dataset.low) <= score.total && score.total <= Number(row.dataset.high));
    if (here) here.classList.add("here");
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  update();
}

if (typeof document !== "undefined") calculator(document);
