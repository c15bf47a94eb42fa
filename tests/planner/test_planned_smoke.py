import planner_api as api
async def test_sdl():
    print(api.SCHEMA.as_str()[:100])
async def test_one(ask, agent, rows, customer, mine):
    import planner_records as m
    t = rows[m.Ticket][1]
    got = await ask.same(agent, "query ($id: ID!) { ticket(id: $id) { __typename id subject status tags score urgent form day opens updatedAt dueAt requester { name website email presence { id since ticketCount } } assignee { name } checkedBy { name } latest { __typename ... on Comment { body link author { name } } ... on StatusChanged { status } } events { __typename seq ... on CommentAdded { comment { body } } } authors { name } authorNames moments can mine requesterId comments(first: 2) { totalCount nodes { body } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }", id=f"tkt_{t.id}")
    print(got)
    print(ask.reads.statements[0])
