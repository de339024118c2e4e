// The two models, and how the chats are. The demo pair answers quickly, but was not made for chats: name your own here.
import { demoPair } from "overfill";

export const models = demoPair;
export const options = { template: "chatml" };
