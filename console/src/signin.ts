// Signing in: by the link's one-time code, by a session that is still good, else by name and password.

import { type Api, ApiError, takeCode } from "./api";
import { fill, h, setText } from "./dom";
import { language, say, setLanguage, t } from "./i18n";
import type { Who } from "./types";

/** Resolves once somebody is signed in. Draws into `place` only when a person has to type. */
export async function signIn(api: Api, place: Element): Promise<Who> {
  let told = "";
  const code = takeCode();
  if (code) {
    try {
      return await api.redeem(code);
    } catch (error) {
      told = error instanceof ApiError && error.problem.code === "bad-credentials" ? t("codeFailed") : words(error);
    }
  }
  try {
    const known = await api.resume();
    if (known) return known;
  } catch (error) {
    told ||= words(error);
  }
  return ask(api, place, told);
}

function words(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  return `${say(error.problem.cause)} ${say(error.problem.cure)}`;
}

function ask(api: Api, place: Element, told: string): Promise<Who> {
  return new Promise((resolve) => {
    const draw = (message: string): void => {
      const name = h("input", { name: "name", autocomplete: "username", autocapitalize: "none", required: true });
      const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
      const text = h("p", { class: "message", role: "alert" }, message);
      const button = h("button", { type: "submit", class: "primary" }, t("signIn"));
      const form = h(
        "form",
        { class: "card" },
        h("h1", {}, "Fieldgate"),
        h("label", {}, t("name"), name),
        h("label", {}, t("password"), password),
        button,
        text,
      );
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        button.disabled = true;
        try {
          resolve(await api.signIn(name.value.trim(), password.value));
        } catch (error) {
          setText(text, words(error));
          password.value = "";
          password.focus();
        } finally {
          button.disabled = false;
        }
      });
      const other = language() === "zh" ? "en" : "zh";
      const swap = h(
        "button",
        {
          type: "button",
          class: "quiet-button",
          onclick: () => {
            setLanguage(other);
            draw("");
          },
        },
        other === "zh" ? "中文" : "English",
      );
      fill(place, h("main", { class: "sign-in" }, form, swap));
      name.focus();
    };
    draw(told);
  });
}
