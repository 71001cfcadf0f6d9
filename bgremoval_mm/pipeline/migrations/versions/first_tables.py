"""Uploads and changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        'uploads',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('sha256', sa.String(64), nullable=False),
        sa.Column('state', sa.String(16), nullable=False),
        sa.Column('route', sa.Text(), nullable=False),
        sa.Column('model', sa.Text(), nullable=False),
        sa.Column('reasons', sa.Text(), nullable=False),
        sa.Column('result', sa.Text(), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('not_before', sa.Float(53), nullable=False),
        sa.Column('claim', sa.String(64), nullable=False),
        sa.Column('claimed_until', sa.Float(53), nullable=False),
        sa.Column('received', sa.Float(53), nullable=False),
        sa.Column('changed', sa.Float(53), nullable=False),
        sa.UniqueConstraint('name', 'version', name='uploads_name_version'),
    )
    op.create_index('uploads_state_not_before', 'uploads', ['state', 'not_before'])
    op.create_table(
        'changes',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('upload_id', sa.Integer(), sa.ForeignKey('uploads.id'), nullable=False),
        sa.Column('before', sa.String(16), nullable=False),
        sa.Column('after', sa.String(16), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('at', sa.Float(53), nullable=False),
    )
    op.create_index('changes_upload_id', 'changes', ['upload_id'])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table('changes')
    op.drop_table('uploads')
