// The page of the reference service. Tokens live in this script's memory and nowhere else: a reload signs out.
"use strict";

const at = (id) => document.getElementById(id);
let access = null;
let refresh = null;
let challenge = null;
let channels = [];

const say = (text) => { at("said").textContent = text; };
const show = (id, visible) => { at(id).hidden = !visible; };
const say_why = (answer) => say(answer.body.detail || answer.body.title || `It was refused (${answer.status}).`);

async function ask(method, path, body, grant) {
  const headers = {};
  if (access) headers.Authorization = `Bearer ${access}`;
  if (grant) headers["Fountain-Step-Up"] = grant;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin", cache: "no-store",
  });
  const text = await response.text();
  let parsed = {};
  try { parsed = text ? JSON.parse(text) : {}; } catch { /* not every answer has a body */ }
  return { status: response.status, good: response.ok, body: parsed };
}

// As `ask`; renews the token once when it has ended, and steps up where that is asked for.
async function act(method, path, body) {
  let answer = await ask(method, path, body);
  if (answer.status === 401 && answer.body.code === "invalid_token" && refresh && await renew()) {
    answer = await ask(method, path, body);
  }
  if (answer.body.code === "insufficient_user_authentication" && answer.body.action) {
    const grant = await step_up(answer.body.action, answer.body.resource);
    if (grant) answer = await ask(method, path, body, grant);
  }
  return answer;
}

async function renew() {
  const answer = await ask("POST", "/v1/token/refresh", { refresh_token: refresh });
  if (answer.good) {
    access = answer.body.access_token;
    refresh = answer.body.refresh_token;
  }
  return answer.good;
}

function step_up(action, resource) {
  const dialog = at("step-up");
  at("step-what").textContent = resource ? `${action} ${resource}` : action;
  at("step-code").value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", async () => {
      if (dialog.returnValue !== "go") return done(null);
      const body = { method: at("step-method").value, code: at("step-code").value, action };
      if (resource) body.resource = resource;
      const answer = await ask("POST", "/v1/step-up", body);
      if (!answer.good) say_why(answer);
      done(answer.good ? answer.body.grant : null);
    }, { once: true });
  });
}

function row(cells) {
  const line = document.createElement("tr");
  for (const cell of cells) {
    const field = document.createElement("td");
    field.append(cell);
    line.append(field);
  }
  return line;
}

function button(text, about, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.setAttribute("aria-label", `${text}: ${about}`);
  made.addEventListener("click", action);
  return made;
}

async function enter(tokens) {
  access = tokens.access_token;
  refresh = tokens.refresh_token;
  at("login-form").reset();
  at("second-form").reset();
  show("login", false);
  show("second", false);
  show("inside", true);
  say("You are signed in.");
  await reload();
}

async function reload() {
  const [who, factors, keys] = [await act("GET", "/v1/whoami"), await act("GET", "/v1/factors"), await act("GET", "/v1/keys")];
  at("who").replaceChildren();
  for (const name of ["subject", "tenant", "roles", "amr", "acr"]) {
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    value.textContent = [who.body[name]].flat().join(", ");
    at("who").append(term, value);
  }
  at("factors").replaceChildren();
  for (const factor of factors.body.items || []) {
    const line = document.createElement("li");
    const state = factor.disabled_at ? "disabled" : factor.confirmed_at ? "confirmed" : "pending";
    line.append(`${factor.kind} ${factor.to || ""} (${state}) `, button("Remove", factor.kind, async () => {
      const answer = await act("DELETE", `/v1/factors/${factor.id}`);
      if (answer.good) say("It is removed."); else say_why(answer);
      await reload();
    }));
    at("factors").append(line);
  }
  at("keys").replaceChildren();
  for (const key of keys.body.items || []) {
    const change = document.createElement("span");
    if (!key.revoked_at && !key.successor) {
      change.append(button("Rotate", key.name, async () => {
        const answer = await act("POST", `/v1/keys/${key.id}/rotate`, {});
        if (answer.good) shown_once(answer.body.key); else say_why(answer);
        await reload();
      }));
    }
    if (!key.revoked_at) {
      change.append(button("Revoke", key.name, async () => {
        const answer = await act("DELETE", `/v1/keys/${key.id}`);
        if (!answer.good) say_why(answer);
        await reload();
      }));
    }
    at("keys").append(row([key.name, key.id, key.revoked_at ? `revoked ${key.revoked_at}` : key.expires_at, change]));
  }
}

function shown_once(key) {
  at("issued-key").textContent = key;
  show("issued", true);
  say("The key is shown below, once.");
}

function on(form, action) {
  at(form).addEventListener("submit", (event) => {
    event.preventDefault();
    action().catch(() => say("The service did not answer."));
  });
}

on("login-form", async () => {
  const answer = await ask("POST", "/v1/login", { username: at("username").value, password: at("password").value });
  if (!answer.good) return say_why(answer);
  if (answer.body.access_token) return enter(answer.body);
  const question = answer.body.second_factor;
  challenge = question.challenge;
  channels = question.channels || [];
  const names = { totp: "Code of the app", code: "Code by text message", recovery: "Recovery code" };
  at("method").replaceChildren(...question.methods.map((method) => new Option(names[method] || method, method)));
  show("send", channels.length > 0);
  show("login", false);
  show("second", true);
  say("A second factor is asked for.");
  at("code").focus();
});

on("second-form", async () => {
  const answer = await ask("POST", "/v1/login/second-factor", { challenge, method: at("method").value, code: at("code").value });
  if (!answer.good) return say_why(answer);
  return enter(answer.body);
});

at("send").addEventListener("click", async () => {
  const answer = await ask("POST", "/v1/login/second-factor", { challenge, method: "code", channel: channels[0] });
  if (!answer.good) return say_why(answer);
  at("method").value = "code";
  say(`A code is on its way to ${answer.body.to}.`);
});

at("enrol").addEventListener("click", async () => {
  const answer = await act("POST", "/v1/factors/totp");
  if (!answer.good) return say_why(answer);
  at("qr").src = `data:image/png;base64,${answer.body.qr_png}`;
  at("secret").textContent = answer.body.secret;
  at("confirm-form").dataset.factor = answer.body.factor;
  show("enrolment", true);
  at("confirm-code").focus();
});

on("confirm-form", async () => {
  const form = at("confirm-form");
  const answer = await act("POST", "/v1/factors/totp/confirm", { factor: form.dataset.factor, code: at("confirm-code").value });
  if (!answer.good) return say_why(answer);
  form.reset();
  at("qr").removeAttribute("src");
  at("secret").textContent = "";
  show("enrolment", false);
  say("The app is bound to your account. Take recovery codes with its next code.");
  return reload();
});

at("recovery").addEventListener("click", async () => {
  const answer = await act("POST", "/v1/factors/recovery");
  if (!answer.good) return say_why(answer);
  at("code-list").replaceChildren(...answer.body.codes.map((code) => {
    const line = document.createElement("li");
    line.textContent = code;
    return line;
  }));
  show("codes", true);
});

on("key-form", async () => {
  const scopes = at("key-scopes").value.split(" ").filter((scope) => scope);
  const answer = await act("POST", "/v1/keys", { name: at("key-name").value, scopes });
  if (!answer.good) return say_why(answer);
  shown_once(answer.body.key);
  return reload();
});

at("leave").addEventListener("click", async () => {
  await ask("POST", "/v1/token/revoke", { token: refresh });
  location.reload();
});
