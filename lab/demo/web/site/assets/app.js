const view = document.getElementById("view");
const HEALTH_MILLISECONDS = 10_000;
const money = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const token = {
  get: () => sessionStorage.getItem("token"),
  set: (value) => sessionStorage.setItem("token", value),
  clear: () => sessionStorage.removeItem("token"),
};

class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function api(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json" };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const data = await answer.json().catch(() => ({}));
  if (answer.ok) return data;
  if (answer.status === 401) {
    token.clear();
    showSession();
  }
  throw new ApiError(answer.status, data.error ?? `The server answered ${answer.status}.`);
}

// Text is only ever set as text, never as HTML.
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function message(text, bad = false) {
  return element("p", { className: bad ? "message bad" : "message" }, text);
}

function announce(node) {
  view.querySelectorAll(".message").forEach((old) => old.remove());
  view.prepend(node);
}

async function order(product, button) {
  button.disabled = true;
  try {
    const placed = await api("/api/orders", { method: "POST", body: { productId: product.id, quantity: 1 } });
    announce(message(`Order ${placed.id} placed: ${product.name}, ${money.format(placed.totalCents / 100)}.`));
  } catch (error) {
    announce(message(error.status === 401 ? "Sign in to order." : error.message, true));
  } finally {
    button.disabled = false;
  }
}

async function showProducts() {
  const products = await api("/api/products");
  const cards = products.map((product) => {
    const button = element("button", { type: "button", onclick: () => order(product, button) }, "Order");
    const price = element("p", { className: "price" }, money.format(product.priceCents / 100));
    return element("article", { className: "card" }, element("h2", {}, product.name), price, button);
  });
  const empty = message("There is nothing to buy yet.");
  return cards.length ? element("section", { className: "grid" }, ...cards) : empty;
}

async function showOrders() {
  if (!token.get()) return message("Sign in to see your orders.");
  const [orders, products] = await Promise.all([api("/api/orders"), api("/api/products")]);
  if (!orders.length) return message("You have no orders yet.");
  const names = new Map(products.map((product) => [product.id, product.name]));
  const rows = orders.map((placed) =>
    element(
      "tr",
      {},
      element("td", {}, String(placed.id)),
      element("td", {}, moment.format(new Date(placed.createdAt))),
      element("td", {}, `${placed.quantity} × ${names.get(placed.productId) ?? placed.productId}`),
      element("td", { className: "price" }, money.format(placed.totalCents / 100)),
    ),
  );
  const heads = ["Order", "Placed", "Goods", "Total"].map((text) => element("th", { scope: "col" }, text));
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

async function showStatus() {
  const state = await readHealth();
  const rows = [
    ["Application", state.status],
    ["Database", state.database ?? "unknown"],
    ["Up for", state.uptime === undefined ? "unknown" : `${state.uptime} s`],
    ["As of", state.timestamp ? moment.format(new Date(state.timestamp)) : "unknown"],
  ].map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
  return element("table", {}, element("tbody", {}, ...rows));
}

const routes = { "/": showProducts, "/orders": showOrders, "/status": showStatus };

async function show() {
  const path = location.pathname;
  document.querySelectorAll("nav a").forEach((link) => {
    link.toggleAttribute("aria-current", link.getAttribute("href") === path);
  });
  const page = routes[path] ?? (async () => message("There is no such page.", true));
  try {
    view.replaceChildren(await page());
  } catch (error) {
    view.replaceChildren(message(`That did not work: ${error.message}`, true));
  }
}

async function signIn(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  try {
    const body = { email: form.get("email"), password: form.get("password") };
    token.set((await api("/api/auth/login", { method: "POST", body })).token);
    showSession();
    await show();
  } catch (error) {
    announce(message(error.message, true));
  }
}

function signOut() {
  token.clear();
  showSession();
  show();
}

function showSession() {
  const session = document.getElementById("session");
  if (token.get()) {
    session.replaceChildren(element("button", { className: "plain", onclick: signOut }, "Sign out"));
    return;
  }
  const field = (name, type, placeholder, autocomplete) =>
    element("input", { name, type, placeholder, autocomplete, required: true, ariaLabel: placeholder });
  session.replaceChildren(
    element(
      "form",
      { onsubmit: signIn },
      field("email", "email", "E-mail", "username"),
      field("password", "password", "Password", "current-password"),
      element("button", {}, "Sign in"),
    ),
  );
}

async function readHealth() {
  try {
    return await (await fetch("/api/health", { cache: "no-store" })).json();
  } catch {
    return { status: "unreachable" };
  }
}

async function showHealth() {
  const state = await readHealth();
  const dot = document.getElementById("health");
  const known = ["healthy", "degraded"].includes(state.status);
  dot.className = `dot ${known ? state.status : "unhealthy"}`;
  dot.textContent = state.status;
  const { version } = await api("/api/version").catch(() => ({}));
  document.getElementById("backend-version").textContent = version ?? "–";
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-link]");
  if (!link || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
});
addEventListener("popstate", show);
showSession();
show();
showHealth();
setInterval(showHealth, HEALTH_MILLISECONDS);
