"use strict";
/* Everything here only smooths what works without it: the pages are plain forms. */
(() => {
  const STORE = "wenyin:draft:";
  const DRAFT_DAYS = 30;
  const SAVE_AFTER_MS = 300;
  const DAY_MS = 86400000;
  const NDJSON = "application/x-ndjson";
  const GONE = "没有连上服务。所填内容都还在，请稍后再按一次。";
  const LONGEST_PAUSE_MS = 15000;
  const NOT_NOW = [429, 502, 503, 504];
  let form = null; /* the page as it was before the preview */
  let busy = false;
  let making = null; /* what stops the batch that is being made */

  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const main = () => document.getElementById("main");
  const say = (words) => all("#main .status").forEach((place) => { place.textContent = words; });

  /* 字数 as Word counts it: the same rule as service/schema/count.py. */
  const ONE_EACH = /[\u2e80-\u2fdf\u3001-\u9fff\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uffef\u{20000}-\u{3ffff}“”‘’—…·\u2460-\u24ff]/gu;
  const SPACES = /[\s\u001c-\u001f\u0085]+/u;
  function wordCount(text) {
    let asian = 0;
    const rest = text.normalize("NFC").replace(ONE_EACH, () => { asian += 1; return " "; });
    return asian + rest.replaceAll("\ufeff", "").split(SPACES).filter((piece) => /[\p{L}\p{N}]/u.test(piece)).length;
  }
  window.wordCount = wordCount;

  function count() {
    for (const counter of all(".counter")) {
      const { rule, limit } = counter.dataset;
      const texts = all(`[data-rules~="${rule}"]`, counter.closest("fieldset, form"));
      const words = texts.reduce((sum, control) => sum + wordCount(control.value), 0);
      find("strong", counter).textContent = words;
      counter.classList.toggle("over", words > Number(limit));
    }
  }

  function grow(area) {
    if (CSS.supports("field-sizing", "content")) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  }

  const drafts = {
    save(kept) {
      const body = new URLSearchParams(new FormData(kept)).toString();
      try {
        localStorage.setItem(STORE + kept.dataset.draft, JSON.stringify({ at: Date.now(), body }));
        find(".draft", kept).hidden = false;
      } catch { /* private windows have no store; the page still holds everything */ }
    },
    load(name) {
      try {
        const draft = JSON.parse(localStorage.getItem(STORE + name));
        if (draft && Date.now() - draft.at < DRAFT_DAYS * DAY_MS) return draft;
        localStorage.removeItem(STORE + name);
      } catch { /* as above */ }
      return null;
    },
    clear(name) {
      try { localStorage.removeItem(STORE + name); } catch { /* as above */ }
    },
  };

  function download(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  /* A batch tells how far it is, a line of JSON each, and hands over its file at the end. */
  async function follow(answer) {
    const name = nameIn(answer.headers.get("Content-Disposition") || "");
    const begun = Date.now();
    const meter = find(".meter");
    find(".failed").replaceChildren();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const pieces = [];
    let [rest, done, kind] = ["", 0, ""];
    const take = (line) => {
      const said = JSON.parse(line);
      if (said.event === "error") throw new Error(said.message);
      ({ done } = said);
      const over = said.done + said.failed;
      Object.assign(find("progress", meter), { max: said.total, value: over });
      const left = Math.round((Date.now() - begun) / 1000 * (said.total - over) / Math.max(1, over));
      say(`已完成 ${said.done} / ${said.total}${left ? `，约剩 ${left} 秒` : ""}`);
      if (said.status === "failed") find(".failed").append(Object.assign(document.createElement("li"), { textContent: `${said.line ? "" : `第 ${said.row + 1} 项：`}${said.message}` }));
      if (said.event !== "result") return;
      kind = said.media_type;
      pieces.push(Uint8Array.from(atob(said.content), (char) => char.charCodeAt(0)));
    };
    meter.hidden = false;
    try {
      for (;;) {
        const { value, done: ended } = await reader.read();
        if (ended) break;
        rest += value;
        if (!value.includes("\n")) continue;
        const lines = rest.split("\n");
        rest = lines.pop();
        lines.forEach(take);
      }
      if (!kind) throw new TypeError();
      download(new Blob(pieces, { type: kind }), name);
      say(`已下载：${name}`);
    } catch (error) {
      /* A connection that broke, and not what the service said. */
      if (error instanceof TypeError) throw Object.assign(error, { done });
      if (error.name === "AbortError") throw error;
      say(error.message);
    } finally {
      meter.hidden = true;
    }
  }

  function pause(ms, signal) {
    return new Promise((resolve, reject) => {
      const over = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => { clearTimeout(over); reject(signal.reason); }, { once: true });
    });
  }

  async function comeBack(address, signal) {
    for (let ms = 1000; ; ms = Math.min(ms * 2, LONGEST_PAUSE_MS)) {
      await pause(ms, signal);
      try {
        const answer = await fetch(address, { method: "HEAD", cache: "no-store", signal });
        if (!NOT_NOW.includes(answer.status)) return;
      } catch (error) {
        if (signal.aborted) throw error;
      }
    }
  }

  /* A batch whose connection breaks is made again as soon as the service answers: the same rows are the same files. */
  async function make(sender, entries) {
    const stop = find("[data-stop]", sender);
    making = new AbortController();
    const { signal } = making;
    stop.hidden = false;
    try {
      for (let refused = 0; ;) {
        try {
          return await send(sender, entries, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          /* Not sent to a service that answers: so it is with a file that was changed after it was chosen. */
          refused = error.done === undefined && !error.later ? refused + 1 : 0;
          if (refused > 1) throw error;
          say(`连接中断${error.done ? `，已做到第 ${error.done} 份` : ""}。服务恢复后自动从头再做，编号和二维码不变；请不要关闭这一页，也不用再按按钮。`);
          await comeBack(sender.getAttribute("action"), signal);
          say("服务已恢复，正在重新生成…");
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      return say("已停止。选好的文件还在，可以再按“生成”。");
    } finally {
      making = null;
      stop.hidden = true;
    }
  }

  const nameIn = (header) => {
    const found = /filename\*=UTF-8''([^;]+)/.exec(header) || /filename="([^"]+)"/.exec(header);
    return found ? decodeURIComponent(found[1]) : "文件";
  };

  function swap(page, { top }) {
    const fresh = document.importNode(page.getElementById("main"), true);
    /* A parsed page takes what is for browsers without scripts for its own. */
    all("noscript", fresh).forEach((part) => part.remove());
    const chosen = find("input[type=file]", main());
    const again = find("input[type=file]", fresh);
    /* The choice of a file survives a page that says what is wrong with it. */
    if (chosen && again && chosen.files.length) again.files = chosen.files;
    const target = find("[autofocus]", fresh);
    if (target) target.removeAttribute("autofocus");
    main().replaceWith(fresh);
    document.title = page.title;
    if (top) window.scrollTo(0, 0);
    if (target) target.focus({ preventScroll: top && !find(".faults", fresh) });
    prepare();
  }

  function show(page, sender) {
    const typed = sender.dataset.draft !== undefined;
    const shown = find("form[data-draft], form.take", page);
    if (!find("#main", page)) return say(GONE);
    if (!shown && typed) return say(find("#main", page).innerText.trim().split("\n")[1] || GONE);
    const preview = shown && shown.matches(".take");
    if (preview && !location.hash) {
      if (typed) form = main();
      history.pushState({ preview: true }, "", "#preview");
    } else if (shown && !preview) {
      form = null;
      history.replaceState(null, "", shown.getAttribute("action"));
    } else if (!find("main form", page)) {
      /* What was judged is gone with a reload; the way back leads to the choice of a file. */
      history.pushState(null, "", "#result");
    }
    const move = typed && shown && !preview && !find(".faults", page);
    swap(page, { top: !move });
    const kept = find("form[data-draft]", main());
    if (kept && typed) drafts.save(kept);
    return undefined;
  }

  /* Signing in happens in another window, so that this page and the files chosen on it stay as they are. */
  function turnedAway(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const signin = find("form.signin", page);
    if (!signin) return say(find("#main", page) ? find("#main", page).innerText.trim() : GONE);
    say("登录已过期，所填内容都还在。请先");
    all("#main .status").forEach((place) => {
      const link = Object.assign(document.createElement("a"), { href: signin.getAttribute("action"), target: "_blank", textContent: "登录" });
      place.append(link, "（在新窗口中打开），再回到本页按一次。");
    });
    return undefined;
  }

  async function send(sender, entries, signal) {
    const holdsFile = sender.enctype === "multipart/form-data";
    let body = entries;
    if (!holdsFile) {
      body = new URLSearchParams();
      entries.forEach((value, name) => body.append(name, value));
    }
    const accept = entries.get("do") === "make" ? `${NDJSON}, text/html;q=0.5` : "text/html";
    const answer = await fetch(sender.getAttribute("action"), { method: "POST", body, headers: { Accept: accept }, cache: "no-store", signal });
    if (signal && NOT_NOW.includes(answer.status)) throw Object.assign(new TypeError(), { later: true });
    if ((answer.headers.get("Content-Type") || "").startsWith(NDJSON)) return follow(answer);
    if (answer.status === 401) return turnedAway(await answer.text());
    const disposition = answer.headers.get("Content-Disposition") || "";
    if (disposition.startsWith("attachment")) {
      const name = nameIn(disposition);
      download(await answer.blob(), name);
      return say(`已下载：${name}`);
    }
    say("");
    return show(new DOMParser().parseFromString(await answer.text(), "text/html"), sender);
  }

  async function submit(sender, name, value) {
    if (busy) return;
    const entries = new FormData(sender);
    if (name) entries.append(name, value);
    busy = true;
    main().setAttribute("aria-busy", "true");
    if (!/^(add|remove|up|down|edit)/.test(value)) say(sender.dataset.busy || (value === "look" ? "正在查看，请稍候…" : "正在生成，请稍候…"));
    try {
      await (value === "make" ? make : send)(sender, entries);
    } catch {
      /* A browser does not send a file that was changed after it was chosen. */
      const chosen = find("input[type=file]", sender);
      say(chosen && chosen.files.length ? `${GONE}文件选好以后又改过的，请重新选择。` : GONE);
    } finally {
      busy = false;
      main().removeAttribute("aria-busy");
    }
  }

  function restore() {
    const blank = find("form[data-draft]:not([data-given])");
    const draft = blank && drafts.load(blank.dataset.draft);
    if (!draft) return;
    const entries = new URLSearchParams(draft.body);
    entries.append("do", "edit");
    const filled = { enctype: "", dataset: { draft: "" }, getAttribute: () => blank.getAttribute("action") };
    send(filled, entries)
      .then(() => say(`已恢复 ${new Date(draft.at).toLocaleString("zh-CN")} 填写的内容。`))
      .catch(() => say(GONE));
  }

  function prepare() {
    all("textarea").forEach(grow);
    count();
    const kept = find("form[data-draft]");
    if (kept && drafts.load(kept.dataset.draft)) find(".draft", kept).hidden = false;
  }

  document.addEventListener("submit", (event) => {
    const sender = event.target;
    if (!sender.matches("form.fill, form.take, form.upload[data-smooth]")) return;
    event.preventDefault();
    const button = event.submitter || find("button", sender);
    if (sender.matches(".take") && button.value === "edit" && form) return history.back();
    submit(sender, button.name, button.value);
    return undefined;
  });

  let waiting = 0;
  document.addEventListener("input", (event) => {
    if (event.target.matches("textarea")) grow(event.target);
    const kept = event.target.closest("form[data-draft]");
    if (!kept) return;
    count();
    clearTimeout(waiting);
    waiting = setTimeout(() => drafts.save(kept), SAVE_AFTER_MS);
  });
  window.addEventListener("pagehide", () => {
    const kept = find("form[data-draft]");
    if (kept && waiting) drafts.save(kept);
  });

  /* A sheet that was chosen is looked at without being asked. */
  document.addEventListener("change", (event) => {
    if (!event.target.matches("form.batch input[type=file]") || !event.target.files.length) return;
    submit(event.target.form, "do", "look");
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("textarea[data-single]") && !event.isComposing) event.preventDefault();
  });

  /* Several lines pasted into a row of one line become as many rows. */
  document.addEventListener("paste", (event) => {
    const area = event.target;
    if (!area.matches || !area.matches(".row textarea[data-single]")) return;
    if (!/\n\s*\S/.test(event.clipboardData.getData("text/plain").trim())) return;
    setTimeout(() => submit(area.form, "do", "edit"));
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-stop]") && making) making.abort();
    const clear = event.target.closest("[data-clear]");
    if (!clear) return;
    const kept = clear.closest("form");
    clearTimeout(waiting);
    waiting = 0;
    drafts.clear(kept.dataset.draft);
    location.assign(kept.getAttribute("action"));
  });

  /* The chosen sheet is gone with the page. */
  window.addEventListener("beforeunload", (event) => { if (making) event.preventDefault(); });

  window.addEventListener("popstate", () => {
    if (!form || location.hash) return location.reload();
    main().replaceWith(form);
    form = null;
    prepare();
    return undefined;
  });

  all("form.upload").forEach((upload) => {
    upload.addEventListener("dragover", (event) => event.preventDefault());
    upload.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      find("input[type=file]", upload).files = event.dataTransfer.files;
    });
  });

  prepare();
  restore();
})();
