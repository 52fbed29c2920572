/** Ids of items: the model's own where they are surely unique, so that clients find a call again; else fresh ones. */
import { v7 as uuidv7 } from "uuid";

/** What the large providers make, and we: a kind and a long random part. Small servers count from 0 in every answer. */
const uniqueLooking = /^(?:call|toolu|msg|rs|fc)_[A-Za-z0-9_-]{12,128}$/;

export class ItemIds {
  readonly #used = new Set<string>();

  /** Items that are there already. */
  reserve(ids: readonly string[]): void {
    for (const id of ids) this.#used.add(id);
  }

  /** The attack: a model that repeats the id of an earlier item would overwrite it in the store. */
  idFor(modelId: string): string {
    const id = uniqueLooking.test(modelId) && !this.#used.has(modelId) ? modelId : uuidv7();
    this.#used.add(id);
    return id;
  }
}
