"use strict";
/* Verify a token with WebCrypto: the same strict layout as service/verification/token.py. */
(() => {
  const trust = JSON.parse(document.getElementById("trust").textContent);
  const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const HEAD = [0x84, 0x49, 0xa2, 0x01, 0x26, 0x04, 0x44];
  const DAY_MS = 86400000;
  const EPOCH_MS = Date.UTC(2020, 0, 1);
  const byId = (id) => document.getElementById(id);
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const bad = (reason) => { throw new Error(reason); };

  const MESSAGES = {
    CLAIMS_ONLY: ["amber", "！", "验证码真实，请逐项与纸面核对", "验证码由所列单位签发。仅核验了下列要素，请逐项与纸面核对；正文未核验。"],
    REVOKED: ["red", "✘", "已作废", "该文件已作废，请勿使用。"],
    EXPIRED: ["red", "✘", "已过期", "该文件已过有效期。"],
    KEY_COMPROMISED: ["red", "✘", "密钥已失效", "签发密钥已失效，无法确认该文件的真伪；下列内容可能系伪造，请向签发单位核实。"],
    UNKNOWN_KEY: ["red", "✘", "非本系统签发", "没有签发这个验证码的单位；若密钥在本页保存之后才启用，请重新下载本页。"],
    BAD_TOKEN: ["red", "✘", "非本系统签发", "验证码无效，可能已损坏或被改动。"],
  };

  function tokenOf(text) {
    const found = /^(?:[A-Za-z][A-Za-z0-9+.-]{0,31}:\/\/[^\s/?#]+(?:\/[^\s?#]*)?\/[Vv]\/)?([0-9]{150,2400})\/?(?:[?#]\S*)?$/.exec(text.trim());
    if (!found || found[1][0] === "0") bad("digits");
    let digits = BigInt(found[1]).toString(16);
    if (digits.length % 2) digits = "0" + digits;
    const bytes = Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
    if (bytes[0] !== 1) bad("lead");
    return bytes.slice(1);
  }

  /* Deterministic CBOR (RFC 8949 4.2.1), only the types that claims have. */
  function reader(bytes) {
    let at = 0;
    const take = (count) => (at + count <= bytes.length ? bytes.slice(at, (at += count)) : bad("end"));
    function head() {
      const [first] = take(1);
      const major = first >> 5;
      const low = first & 31;
      if (low < 24) return [major, low];
      if (low > 26) bad("length");
      const width = 1 << (low - 24);
      const value = take(width).reduce((sum, byte) => sum * 256 + byte, 0);
      if (value < (width === 1 ? 24 : width === 2 ? 256 : 65536)) bad("not shortest");
      return [major, value];
    }
    function item(depth) {
      if (bytes[at] === 0xf5) { at += 1; return true; }
      const [major, value] = head();
      if (major === 0) return value;
      if (major === 1) return -1 - value;
      if (major === 2) return take(value);
      if (major === 3) return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(take(value));
      if (major === 4 && depth) return Array.from({ length: Math.min(value, 17) }, () => item(depth - 1));
      return bad("type");
    }
    return {
      map() {
        const [major, count] = head();
        if (major !== 5 || count > 14) bad("no map");
        const values = new Map();
        let last = 0;
        for (let index = 0; index < count; index += 1) {
          const [kind, key] = head();
          if (kind !== 0 || key <= last) bad("keys");
          last = key;
          values.set(key, item(1));
        }
        if (at !== bytes.length) bad("trailing bytes");
        return values;
      },
    };
  }

  const FORBIDDEN = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
  const isInt = (low, high) => (value) => Number.isInteger(value) && value >= low && value <= high;
  const isText = (low, high) => (value) =>
    typeof value === "string" && [...value].length >= low && [...value].length <= high
    && value.normalize("NFC") === value && value.trim() === value && !FORBIDDEN.test(value);
  const isMac = (value) => value instanceof Uint8Array && value.length === 8;
  const isFacts = (value) =>
    Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(isText(0, 120)) && value[value.length - 1] !== "";
  const CHECKS = {
    1: isInt(1, 255), 2: isText(1, 64), 3: isInt(-25659, 65743), 4: isText(1, 40), 5: isFacts, 6: isInt(-25659, 65743),
    7: isInt(1, 9999), 8: isMac, 9: isMac, 10: isInt(1, 2), 12: isInt(2, 65535), 13: (value) => value === true,
    14: (value) => value instanceof Uint8Array && value.length > 0,
  };

  function claimsOf(payload) {
    const values = reader(payload).map();
    if (!values.has(1)) bad("no type");
    for (const [key, value] of values) if (!CHECKS[key] || !CHECKS[key](value)) bad("key " + key);
    return values;
  }

  function open(token) {
    if (token.length < 82 || token.length > 990 || HEAD.some((byte, index) => token[index] !== byte)) bad("head");
    const kid = token.slice(7, 11);
    if (token[11] !== 0xa0) bad("unprotected header");
    const end = token.length - 66;
    if (token[end] !== 0x58 || token[end + 1] !== 0x40) bad("signature");
    const item = token.slice(12, end);
    const width = item[0] === 0x59 ? 3 : item[0] === 0x58 ? 2 : 1;
    const size = width === 3 ? item[1] * 256 + item[2] : width === 2 ? item[1] : item[0] - 0x40;
    if (size !== item.length - width || (width === 1 && size > 23) || (width === 2 && size < 24) || (width === 3 && size < 256)) bad("payload");
    const signature = token.slice(end + 2);
    const [r, s] = [BigInt("0x" + hex(signature.slice(0, 32))), BigInt("0x" + hex(signature.slice(32)))];
    if (!(r > 0n && r < ORDER && s > 0n && s <= ORDER / 2n)) bad("range");
    const ascii = (text) => Array.from(text, (char) => char.charCodeAt(0));
    const signed = Uint8Array.from([
      0x84, 0x6a, ...ascii("Signature1"), 0x49, ...HEAD.slice(2), ...kid, 0x48, ...ascii("wenyin/1"), ...item,
    ]);
    return { kid: hex(kid), payload: item.slice(width), signed, signature };
  }

  /* Raw DEFLATE over GB 18030, see service/verification/fulltext.py. */
  async function textOf(packed) {
    const whole = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const pieces = whole.getReader();
    const decoder = new TextDecoder("gb18030", { fatal: true });
    let text = "";
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      text += decoder.decode(piece.value, { stream: true });
      if (text.length > 16000) bad("long text");
    }
    text += decoder.decode();
    if (!text.trim() || /[\p{Cf}\p{Co}\p{Cs}]|(?!\n)\p{Cc}/u.test(text)) bad("text");
    return text;
  }

  async function judge(text) {
    let token;
    let claims;
    let written;
    let key;
    try {
      token = open(tokenOf(text));
      const candidates = trust.keys.filter((jwk) => jwk.kid === token.kid);
      if (!candidates.length) return { code: "UNKNOWN_KEY" };
      for (const { kty, crv, x, y, ...rest } of candidates) {
        const algorithm = { name: "ECDSA", namedCurve: "P-256" };
        const imported = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, algorithm, false, ["verify"]);
        if (await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, token.signature, token.signed)) key = rest;
      }
      if (!key) bad("signature");
      claims = claimsOf(token.payload);
      if (claims.has(14)) written = await textOf(claims.get(14));
      const issuer = trust.issuers.find((item) => item.id === key.issuer);
      if (issuer.doc_types && !issuer.doc_types.includes(claims.get(1))) bad("remit");
      key.owner = issuer;
    } catch (error) {
      if (!globalThis.crypto || !crypto.subtle) throw new Error("此浏览器在这个地址上不提供验算功能，请把本页保存到本机后打开。");
      return { code: "BAD_TOKEN" };
    }
    const rid = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", token.signed)).slice(0, 8));
    const today = Math.floor((Date.now() + 8 * 3600000 - EPOCH_MS) / DAY_MS);
    let code = "CLAIMS_ONLY";
    if (claims.has(6) && claims.get(6) < today) code = "EXPIRED";
    if ((trust.revoked[key.kid] || []).includes(rid)) code = "REVOKED";
    if (key.status === "compromised") code = "KEY_COMPROMISED";
    return { code, claims, issuer: key.owner, rid, text: code === "CLAIMS_ONLY" ? written : undefined };
  }

  const chineseDate = (day) => day.getUTCFullYear() + "年" + (day.getUTCMonth() + 1) + "月" + day.getUTCDate() + "日";
  const dayOf = (number) => chineseDate(new Date(EPOCH_MS + number * DAY_MS));

  function rowsOf({ claims, issuer, rid }) {
    const rows = [["签发单位", issuer.name], ["文件种类", trust.types[claims.get(1)] || "其他文件"]];
    if (claims.has(2)) rows.push([claims.get(1) === 4 ? "牌匾编号" : "发文字号", claims.get(2)]);
    if (claims.has(4)) rows.push(["标题", claims.get(4)]);
    if (claims.has(3)) rows.push(["成文日期", dayOf(claims.get(3))]);
    const captions = trust.captions[claims.get(1)] || [];
    (claims.get(5) || []).forEach((fact, index) => { if (fact) rows.push([captions[index] || "要素" + (index + 1), fact]); });
    if (claims.has(7)) rows.push(["页数", claims.get(7) + " 页"]);
    if (claims.has(6)) rows.push(["有效期至", dayOf(claims.get(6))]);
    return [...rows, ["文件编号", rid]];
  }

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  function show(answer) {
    const [tone, icon, headline, message] = MESSAGES[answer.code];
    const mark = element("p", "icon", icon);
    mark.setAttribute("aria-hidden", "true");
    const box = element("section", "verdict " + tone, mark, element("div", "", element("h2", "", headline), element("p", "", message)));
    box.dataset.verdict = answer.code;
    const parts = [box];
    if (answer.claims) {
      if (answer.issuer.development) parts.push(element("p", "warning", "这是开发试用密钥签发的文件，只用于试用和测试，不具有任何效力。"));
      if (answer.claims.get(13)) parts.push(element("p", "warning", "这是草稿，不具有效力。"));
      const rows = rowsOf(answer).map(([caption, value]) => element("tr", "", element("th", "", caption), element("td", "", value)));
      rows.forEach((row) => row.firstChild.setAttribute("scope", "row"));
      parts.push(element("table", "facts", element("tbody", "", ...rows)));
      if (answer.text) {
        const region = element("pre", "text", answer.text);
        region.tabIndex = 0;
        region.setAttribute("role", "region");
        region.setAttribute("aria-label", "签发时的文字");
        parts.push(element("h2", "", "签发时的文字（请与纸面逐行核对）"), region);
      }
      const left = ["正文、图片、印章和版式", byId("snapshot").textContent + "之后的作废情况", "纸面与验证码是否属于同一份文件", "签发时间（日期由签发单位自行填写）"];
      parts.push(element("h2", "", "未核验"), element("ul", "", ...left.map((item) => element("li", "", item))));
    }
    byId("result").replaceChildren(...parts);
  }

  async function check(text) {
    try {
      show(await judge(text));
    } catch (error) {
      byId("result").replaceChildren(element("p", "warning", error.message));
    }
  }

  async function scan(source) {
    const codes = await new BarcodeDetector({ formats: ["qr_code"] }).detect(source);
    return [...new Set(codes.map((code) => code.rawValue))];
  }

  async function fromPicture(file) {
    const texts = await scan(await createImageBitmap(file));
    if (texts.length === 1) return check(texts[0]);
    const words = texts.length ? "照片中有不止一个二维码，请逐个拍摄。" : "照片中没有找到二维码，请靠近些、拍清楚些。";
    return byId("result").replaceChildren(element("p", "warning", words));
  }

  async function fromCamera() {
    const video = byId("video");
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: 1920 } });
    video.srcObject = stream;
    video.hidden = false;
    await video.play();
    let texts = [];
    while (texts.length !== 1 && !video.hidden) {
      await new Promise(requestAnimationFrame);
      texts = await scan(video);
    }
    stream.getTracks().forEach((track) => track.stop());
    video.hidden = true;
    return check(texts[0]);
  }

  const failed = (words) => () => byId("result").replaceChildren(element("p", "warning", words));
  byId("snapshot").textContent = chineseDate(new Date(trust.date + "T00:00:00Z"));
  byId("check").addEventListener("click", () => check(byId("text").value));
  const sees = "BarcodeDetector" in globalThis;
  byId("pictures").hidden = !sees;
  byId("no-pictures").hidden = sees;
  byId("camera").hidden = !(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
  byId("picture").addEventListener("change", (event) => {
    if (event.target.files.length) fromPicture(event.target.files[0]).catch(failed("图片无法读取。"));
  });
  byId("camera").addEventListener("click", () => fromCamera().catch(failed("摄像头无法使用，请改为粘贴网址。")));
})();
