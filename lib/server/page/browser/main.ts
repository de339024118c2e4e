/** The page: puts the conversation and its views together. */

import { Announcer } from "./announcements.js";
import { createApi } from "./api.js";
import { Composer } from "./composer.js";
import { type Change, Conversation } from "./conversation.js";
import { byId, element } from "./elements.js";
import { exportConversation, exportFileName } from "./export.js";
import { MessagesView, speaker } from "./messages-view.js";
import { SettingsView } from "./settings-view.js";
import { createStore } from "./store.js";

/** How often the clock beside an answer is shown, in milliseconds. */
const clockStep = 100;

function sessionStorage(): Storage | undefined {
  try {
    return window.sessionStorage;
  } catch {
    return undefined;
  }
}

const store = createStore(sessionStorage());
const conversation = new Conversation({
  api: createApi({ base: document.baseURI, key: () => store.key }),
  store,
  onChange: (change) => show[change](),
});
const say = speaker(byId("spoken", HTMLDivElement));
const composer = new Composer({
  conversation,
  onSent: () => messagesView.scrollToEnd(),
  onEditLast: () => messagesView.editLast(),
});
const messagesView = new MessagesView({
  conversation,
  scroller: byId("conversation", HTMLElement),
  list: byId("messages", HTMLOListElement),
  say,
  onSent: () => composer.focus(),
});
const settingsView = new SettingsView(conversation);
const unlock = byId("unlock", HTMLFormElement);
const key = byId("key", HTMLInputElement);
const notice = byId("notice", HTMLDivElement);
let announcer: Announcer | undefined;

/** Shows the growing answer at the next frame, and less often where showing it takes long. */
const showAnswerSoon = (() => {
  let isPlanned = false;
  let restUntil = 0;
  const show = (now: number) => {
    if (now < restUntil) {
      requestAnimationFrame(show);
      return;
    }
    isPlanned = false;
    const begun = performance.now();
    messagesView.showAnswer();
    // Together: text beside a clock that still says "Reading" would be untrue.
    showClock();
    const end = performance.now();
    restUntil = end + 3 * (end - begun);
  };
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(show);
  };
})();

function showClock(): void {
  const ms = conversation.answeringMs;
  if (ms !== undefined) messagesView.showClock(ms);
}

/** Tells a screen reader what is new of the answer: whole sentences, and how it ended. */
function announce(): void {
  const last = conversation.messages.at(-1);
  if (last?.role !== "assistant") return;
  if (last.state === "streaming") {
    if (announcer === undefined) {
      announcer = new Announcer();
      say("The answer begins.");
    }
    const piece = announcer.grow(last.text);
    if (piece !== undefined) say(piece);
    return;
  }
  if (announcer === undefined) return;
  const rest = announcer.finish(last.text);
  announcer = undefined;
  if (rest !== undefined) say(rest);
  const endings = { done: "The answer is complete.", stopped: "Stopped.", failed: last.error ?? "The answer failed." };
  say(endings[last.state]);
}

const show: Readonly<Record<Change, () => void>> = {
  connection() {
    const isLocked = conversation.connection === "locked";
    if (isLocked && unlock.hidden) key.value = "";
    unlock.hidden = !isLocked;
    byId("reconnect", HTMLButtonElement).hidden = conversation.connection !== "unreachable";
    composer.showPairs();
    composer.showState();
    showWelcome();
    if (isLocked) key.focus();
  },
  notice() {
    const isLocked = conversation.connection === "locked";
    const keyFault = byId("key-fault", HTMLParagraphElement);
    keyFault.hidden = conversation.notice === undefined || !isLocked;
    keyFault.textContent = conversation.notice ?? "";
    notice.hidden = conversation.notice === undefined || isLocked;
    const [text] = notice.getElementsByTagName("span");
    if (text !== undefined) text.textContent = conversation.notice ?? "";
  },
  messages() {
    messagesView.show();
    composer.showState();
    showWelcome();
    byId("export", HTMLButtonElement).disabled = conversation.messages.length === 0;
    byId("new", HTMLButtonElement).disabled = conversation.messages.length === 0;
    announce();
  },
  answer() {
    showAnswerSoon();
    announce();
  },
  settings() {
    composer.showSettings();
  },
};

function showWelcome(): void {
  const isNew = conversation.messages.length === 0 && conversation.connection !== "locked";
  byId("welcome", HTMLElement).hidden = !isNew;
}

function download(): void {
  const at = new Date();
  const text = exportConversation(conversation.messages, conversation.settings, at);
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = element("a", { attributes: { href: address, download: exportFileName(at) } });
  link.click();
  // The browser has the file's content by then, or will never have it.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  say("Exported");
}

byId("new", HTMLButtonElement).addEventListener("click", () => {
  conversation.clear();
  composer.focus();
});
byId("export", HTMLButtonElement).addEventListener("click", download);
byId("reconnect", HTMLButtonElement).addEventListener("click", async () => {
  await conversation.connect();
  composer.focus();
});
unlock.addEventListener("submit", async (event) => {
  event.preventDefault();
  await conversation.unlock(key.value);
  if (conversation.connection !== "ready") return key.select();
  key.value = "";
  composer.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || settingsView.isOpen) return;
  if (conversation.answeringMs === undefined) return;
  event.preventDefault();
  conversation.stop();
  composer.focus();
});
window.addEventListener("pagehide", () => conversation.stop());
setInterval(showClock, clockStep);

show.settings();
show.messages();
messagesView.scrollToEnd();
await conversation.connect();
if (conversation.connection === "ready") composer.focus();
