/** Public face of the room that makes pairs. */
export { makePair } from "./make-pair.js";
export type { MakeAnswering, MakeHealing, MakePairOptions, MakeProgress, MakeStep } from "./options.js";
export { planPair } from "./plan-pair.js";
export type {
  ChosenModel,
  EstimatedStep,
  MadePair,
  MadeStep,
  MeasuredMachine,
  PairPlan,
  TimedChoice,
} from "./results.js";
