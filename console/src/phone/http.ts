// Requests by XMLHttpRequest: it has time-outs and is whole in every browser we name; fetch with them is not.

export interface Problem {
  status: number;
  code: string;
  cause: { en: string; zh: string };
  cure: { en: string; zh: string };
}

export interface Answer {
  status: number;
  text: string;
  header(name: string): string;
}

const NO_LINK: Problem = {
  status: 0,
  code: "link-down",
  cause: { en: "The gateway can not be reached.", zh: "无法连接网关。" },
  cure: { en: "It is tried again by itself.", zh: "会自动重试。" },
};

/** Resolves for 2xx, rejects with a Problem. */
export function ask(method: string, path: string, headers: { [name: string]: string }, body: string | ArrayBuffer | null, patienceMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.timeout = patienceMs;
    Object.keys(headers).forEach((name) => request.setRequestHeader(name, headers[name]!));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve({ status: request.status, text: request.responseText, header: (name) => request.getResponseHeader(name) || "" });
      } else reject(asProblem(request.status, request.responseText));
    };
    request.onerror = request.ontimeout = request.onabort = () => reject(NO_LINK);
    request.send(body);
  });
}

function asProblem(status: number, text: string): Problem {
  try {
    const told = JSON.parse(text) as Problem;
    if (typeof told.code === "string" && told.cause && told.cure) return { status, code: told.code, cause: told.cause, cure: told.cure };
  } catch (_) {
    // not ours: a proxy between
  }
  return { status, code: "", cause: NO_LINK.cause, cure: NO_LINK.cure };
}
