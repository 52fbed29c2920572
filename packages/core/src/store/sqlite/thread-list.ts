/** The list of threads: sorted by a time, ties by id. */
import { clampLimit, decodeCursor, encodeCursor } from "../cursor.ts";
import type { Page, StoredThread, ThreadListQuery } from "../thread-store.ts";
import type { Database, Row } from "./database.ts";
import { comparison } from "./reading.ts";
import { searchText, threadColumns, threadOf } from "./thread-row.ts";

const columns = { createdAt: "created_at_ms", updatedAt: "updated_at_ms", recencyAt: "recency_at_ms" } as const;
const sizes = { most: 100, usual: 25 };

export function listThreads(database: Database, query: ThreadListQuery): Page<StoredThread> {
  const sortKey = query.sortKey ?? "createdAt";
  const column = columns[sortKey];
  const isDescending = query.sortDirection !== "asc";
  const limit = clampLimit(query.limit, sizes);
  const list = `threads ${sortKey}`;
  const position = query.cursor == null ? null : decodeCursor(list, query.cursor);
  const where = comparison(isDescending, position?.isIncluded === true);
  const order = isDescending ? "DESC" : "ASC";
  const rows = database.all(
    `SELECT ${threadColumns}, ${column} AS sorted FROM threads
     WHERE (${column}, id) ${where} (?, ?) AND ${filters} ORDER BY ${column} ${order}, id ${order} LIMIT ?`,
    position?.value ?? (isDescending ? Number.MAX_SAFE_INTEGER : -1),
    position?.tie ?? "",
    ...filterValues(query),
    limit + 1,
  );
  const data = rows.slice(0, limit);
  const cursorOf = (row: Row | undefined, isIncluded: boolean): string | null =>
    row === undefined ? null : encodeCursor(list, { value: row.sorted, tie: row.id, isIncluded });
  return {
    data: data.map(threadOf),
    nextCursor: rows.length > limit ? cursorOf(data.at(-1), false) : null,
    backwardsCursor: cursorOf(data[0], true),
  };
}

/** Lists come as JSON, so that one statement serves every query; `[]` filters nothing. */
const filters = `(archived_at_ms IS NOT NULL) = ? AND has_turns >= ? AND instr(title, ?) > 0
  AND (? = '[]' OR model_provider IN (SELECT value FROM json_each(?)))
  AND (? = '[]' OR source IN (SELECT value FROM json_each(?)))
  AND (? = '[]' OR cwd IN (SELECT value FROM json_each(?)))`;

function filterValues(query: ThreadListQuery): (string | number)[] {
  const lists = [query.modelProviders, query.sources, query.cwds].map((list) => JSON.stringify(list ?? []));
  return [
    query.archived === true ? 1 : 0,
    query.includeEmpty === true ? 0 : 1,
    searchText(query.searchTerm ?? ""),
    ...lists.flatMap((list) => [list, list]),
  ];
}
